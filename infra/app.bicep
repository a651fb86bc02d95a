// The functions app on a Flex Consumption plan, with the settings of settings.py.

param location string
param tags object
param name string
param identityId string
param identityClientId string
param storageName string
param packageUri string
param vaultUri string
param insightsConnectionString string
param workspaceId string
param subnetId string
param instanceMemoryMB int
param maximumInstanceCount int
param alwaysReady array
param signInClientId string
param statusPageRole string
param secretSettings array
param settings object

// The defaults of settings.py (a test compares them), so that the portal shows the values in use.
var defaultSettings = {
  CHECK_STATUS_SCHEDULE: '0 */5 * * * *'
  IO_API_BASE_URL: 'https://api.io.pagopa.it/api/v1'
  IO_RATE_LIMIT: '150/5'
  DOCTOR_THRESHOLDS: ''
  CONTENT_RETENTION_DAYS: '90'
  DOCUMENT_RETENTION_DAYS: ''
  PARKED_RETENTION_DAYS: '90'
  LEDGER_RETENTION_DAYS: '365'
  TOMBSTONE_RETENTION_DAYS: '3650'
  AUDIT_RETENTION_DAYS: '730'
  REMINDERS: ''
  REMOTE_CONTENT_API_KEY_HEADER: 'X-Api-Key'
  REMOTE_CONTENT_CONFIGURATION_ID: ''
  REMINDERS_PER_CITIZEN_PER_DAY: '2'
  REMINDERS_SCHEDULE: '0 */15 * * * *'
  // Without the sign-in the status page is off.
  STATUS_PAGE_ROLE: empty(signInClientId) ? '' : statusPageRole
  SUBSCRIPTIONS_FEED: ''
  SUBSCRIPTIONS_FEED_SCHEDULE: '0 20,50 * * * *'
}

var storageSettings = {
  AzureWebJobsStorage__accountName: storageName
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsStorage__credential: 'managedidentity'
}

var telemetrySettings = {
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identityClientId}'
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  // The worker configures nothing by it. It tells the host that the app exports its own logs, or the host would export
  // them a second time, unmasked.
  PYTHON_ENABLE_OPENTELEMETRY: 'true'
  // Metrics are never sampled. Five traces a second are enough to examine, in any campaign.
  OTEL_TRACES_SAMPLER: 'microsoft.rate_limited'
  OTEL_TRACES_SAMPLER_ARG: '5'
}

// No version: the platform reads a new version within a day, or when told to (docs/settings.md, Secrets).
var secrets = [for setting in secretSettings: {
  setting: setting
  reference: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${replace(setting, '_', '-')})'
}]

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  // `azd deploy` finds the app by this tag.
  tags: union(tags, { 'azd-service-name': 'postino' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      runtime: {
        name: 'python'
        version: '3.13'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUri
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady
      }
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    defaultSettings,
    settings,
    toObject(secrets, secret => secret.setting, secret => secret.reference),
    storageSettings,
    telemetrySettings
  )
}

// The sign-in of the status page. IO calls the app without it, so anonymous calls pass, and the page itself refuses
// them. Without a client secret the browser brings the ID token itself (response_mode=form_post).
resource signIn 'Microsoft.Web/sites/config@2024-04-01' = if (!empty(signInClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: signInClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [signInClientId]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}

// Publishing takes an Entra ID token; the app's own user name and password are off.
resource basicPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [for way in ['ftp', 'scm']: {
  parent: app
  name: way
  properties: {
    allow: false
  }
}]

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: app
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'FunctionAppLogs', enabled: true }
    ]
    metrics: [
      { category: 'AllMetrics', enabled: true }
    ]
  }
}

output name string = app.name
