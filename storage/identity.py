"""The app's identity at the storage account when the settings hold no connection string."""

from azure.core.credentials_async import AsyncTokenCredential

from settings import Settings


def credential(settings: Settings) -> AsyncTokenCredential:
    """Return the credential that the platform's triggers use for the same settings; close it after use.

    Without a managed identity, the credential is the user signed in on this machine. AZURE_AUTHORITY_HOST
    names the authority of another cloud. Source: Microsoft.Extensions.Azure, ClientFactory.
    """
    # This import takes a quarter of the app's start time, and is not needed with a connection string.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    client_id, resource = settings.storage_client_id, settings.storage_identity_resource
    if settings.storage_credential:
        config = {"mi_res_id": resource} if resource else None  # the name that App Service's endpoint uses
        return ManagedIdentityCredential(client_id=client_id, identity_config=config)
    who = {"managed_identity_client_id": client_id} if client_id else {}  # None overrides AZURE_CLIENT_ID
    # The sign-in tools (az, azd) need no tenant here: storage names its tenant when it refuses another's.
    tenants = ("workload_identity_tenant_id", "shared_cache_tenant_id", "visual_studio_code_tenant_id")
    where = dict.fromkeys(tenants, settings.storage_tenant) if settings.storage_tenant else {}
    return DefaultAzureCredential(**who, **where)
