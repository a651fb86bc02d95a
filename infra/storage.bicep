// The storage account: all data of the app. The account accepts no keys, only identities.

param location string
param tags object
param name string
param sku string
param privateNetwork bool
param workspaceId string

// Names as in storage/queues.py. The platform copies a message that failed five times to the -poison queue.
// message-outcomes triggers no function.
var triggerQueues = [
  'message-requests'
  'message-requests-bulk'
  'message-sends'
  'message-sends-bulk'
  'message-settled'
]
var poisonQueues = [for queue in triggerQueues: '${queue}-poison']
var queueNames = concat(triggerQueues, poisonQueues, ['message-outcomes'])

var tableNames = [
  'audit'
  'campaigns'
  'counters'
  'due'
  'ends'
  'ioaccount'
  'keys'
  'ledger'
  'notices'
  'parked'
  'reminderdays'
  'reminders'
  'remotecontents'
  'subscriptions'
]

// As in storage/documents.py: the PDF files that citizens open.
var documentContainer = 'documents'

var packageContainer = 'app-package'

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queue in queueNames: {
  parent: queueService
  name: queue
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = [for table in tableNames: {
  parent: tableService
  name: table
}]

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
}

// The host creates its own containers (leases of the timers, its keys).
resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobService
  name: packageContainer
}

resource documents 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobService
  name: documentContainer
}

// Writes only: they show the puts on poison queues. Every poll of a queue is a read; logs of reads would cost more
// than the messages.
resource queueLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: queueService
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
    ]
    metrics: [
      { category: 'Transaction', enabled: true }
    ]
  }
}

// Each removal of a row of the ledger or of the audit leaves a trace.
resource tableLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: tableService
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageDelete', enabled: true }
    ]
    metrics: [
      { category: 'Transaction', enabled: true }
    ]
  }
}

output name string = account.name
output documentContainer string = documents.name
output packageUri string = '${account.properties.primaryEndpoints.blob}${package.name}'
