"""Who the app is to the storage account when no connection string says so."""

from azure.core.credentials_async import AsyncTokenCredential

from settings import Settings


def credential(settings: Settings) -> AsyncTokenCredential:
    """The credential that the platform's triggers take for the same settings; close it after use.

    Source: Microsoft.Extensions.Azure, ClientFactory. Without a managed identity it is whoever signed in on
    this machine; AZURE_AUTHORITY_HOST names the authority of another cloud.
    """
    # A quarter of the time that the app takes to start, and no use with a connection string.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    client_id, resource = settings.storage_client_id, settings.storage_identity_resource
    if settings.storage_credential:
        config = {"mi_res_id": resource} if resource else None  # as the endpoint of App Service calls it
        return ManagedIdentityCredential(client_id=client_id, identity_config=config)
    who = {"managed_identity_client_id": client_id} if client_id else {}  # None would undo AZURE_CLIENT_ID
    # The tools that sign in (az, azd) need not be told: storage names the tenant when it refuses another's.
    tenants = ("workload_identity_tenant_id", "shared_cache_tenant_id", "visual_studio_code_tenant_id")
    where = dict.fromkeys(tenants, settings.storage_tenant) if settings.storage_tenant else {}
    return DefaultAzureCredential(**who, **where)
