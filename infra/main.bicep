// Everything that Postino needs, in one resource group. docs/deployment.md says how to deploy it.

@description('Part of every name.')
@minLength(3)
@maxLength(11)
param prefix string = 'postino'

@description('Italy North keeps the data in Italy.')
param location string = 'italynorth'

param tags object = {}

// Zone-redundant and not geo-redundant. A second region has a lag of minutes, and a ledger without the last minutes
// would send their messages again.
@allowed(['Standard_ZRS', 'Standard_LRS'])
param storageSku string = 'Standard_ZRS'

@description('App settings that differ from their defaults (docs/settings.md), such as { IO_RATE_LIMIT: \'250/5\' }; no secrets.')
param settings object = {}

// If a secret is missing, the app gets the text of the reference: put the secret into the vault first.
@description('App settings that are secrets of the vault, under the same name with hyphens: IO-API-KEY.')
param secretSettings array = ['ENCRYPTION_KEYS', 'IO_API_KEY']

// 2048 MB come with a whole core. The app loads in a second and takes 100 MB; a core handles hundreds of messages a
// second, and IO allows 15. 512 MB come with a quarter of a core, and a start takes seconds longer.
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

// The lowest value that every region accepts. Two instances use up IO's limit; the shared rate budget keeps to the
// limit, not this number. The other instances make up for a host that crashes with messages in flight.
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

// None: no citizen notices a delay of some seconds, and an always-ready instance costs all day. To send the first
// message of a day at once: [{ name: 'function:send_message', instanceCount: 1 }].
param alwaysReady array = []

@description('Storage account and vault on private addresses, and one public address towards IO.')
param privateNetwork bool = false

@description('A /24 or larger; only with privateNetwork.')
param addressSpace string = '10.90.0.0/24'

@description('Object id of the service principal that puts requests on message-requests and PDF files into documents.')
param backOfficePrincipalId string = ''

@description('Object id of the service principal that reads message-outcomes; may be the same.')
param outcomeReaderPrincipalId string = ''

@description('Object id of the service principal that puts paid notices on message-settled; may be the same.')
param creditorPrincipalId string = ''

@description('Object id of the group of users of the command `postino`.')
param operatorsPrincipalId string = ''

@description('Client id of the app registration by which operators sign in to the status page; without it there is no page.')
param signInClientId string = ''

@description('The app role whose holders see the status page.')
param statusPageRole string = 'Postino.Read'

@description('E-mail addresses that receive alerts.')
param alertEmails array = []

@minValue(30)
@maxValue(730)
param logRetentionInDays int = 180

// The names of the storage account and the vault must be globally unique.
var suffix = take(uniqueString(resourceGroup().id), 8)
var appName = 'func-${prefix}-${suffix}'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${prefix}'
  location: location
  tags: tags
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  params: {
    location: location
    tags: tags
    prefix: prefix
    retentionInDays: logRetentionInDays
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    tags: tags
    prefix: prefix
    workspaceId: monitoring.outputs.workspaceId
    emails: alertEmails
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    tags: tags
    name: 'st${toLower(replace(prefix, '-', ''))}${suffix}'
    sku: storageSku
    privateNetwork: privateNetwork
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vault 'vault.bicep' = {
  name: 'vault'
  params: {
    location: location
    tags: tags
    name: 'kv-${prefix}-${suffix}'
    privateNetwork: privateNetwork
    workspaceId: monitoring.outputs.workspaceId
  }
}

module access 'access.bicep' = {
  name: 'access'
  params: {
    storageName: storage.outputs.name
    documentContainer: storage.outputs.documentContainer
    vaultName: vault.outputs.name
    insightsName: monitoring.outputs.insightsName
    appPrincipalId: identity.properties.principalId
    backOfficePrincipalId: backOfficePrincipalId
    outcomeReaderPrincipalId: outcomeReaderPrincipalId
    creditorPrincipalId: creditorPrincipalId
    operatorsPrincipalId: operatorsPrincipalId
  }
}

module network 'network.bicep' = if (privateNetwork) {
  name: 'network'
  params: {
    location: location
    tags: tags
    prefix: prefix
    addressSpace: addressSpace
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
  }
}

// After its roles: the platform retries a failed vault reference only after hours.
module app 'app.bicep' = {
  name: 'app'
  dependsOn: [access]
  params: {
    location: location
    tags: tags
    name: appName
    identityId: identity.id
    identityClientId: identity.properties.clientId
    storageName: storage.outputs.name
    packageUri: storage.outputs.packageUri
    vaultUri: vault.outputs.uri
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    workspaceId: monitoring.outputs.workspaceId
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: alwaysReady
    signInClientId: signInClientId
    statusPageRole: statusPageRole
    secretSettings: secretSettings
    settings: settings
  }
}

output appName string = app.outputs.name
output storageName string = storage.outputs.name
output vaultName string = vault.outputs.name
output outboundAddress string = privateNetwork ? network!.outputs.outboundAddress : ''
