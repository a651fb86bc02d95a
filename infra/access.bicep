// Every role of the deployment. No other file of this folder grants a role.

param storageName string
param documentContainer string
param vaultName string
param insightsName string
param appPrincipalId string
param backOfficePrincipalId string
param outcomeReaderPrincipalId string
param creditorPrincipalId string
param operatorsPrincipalId string

var roles = {
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Blob Data Reader': '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Queue Data Message Processor': '8a0f0c08-91a1-4084-bc3d-661d67233fed'
  'Storage Queue Data Message Sender': 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

// The host's leases and the package need Blob Data Owner (Learn, "Connections in Azure Functions"). A queue
// trigger renews the lease of a message by Update Message, which Message Processor does not allow.
var appStorageRoles = [
  'Storage Blob Data Owner'
  'Storage Queue Data Contributor'
  'Storage Table Data Contributor'
]

// For the command `postino`: queues, tables, and the keyring that opens the rows.
var operatorStorageRoles = [
  'Storage Queue Data Contributor'
  'Storage Table Data Contributor'
]

// The institution's own systems. Each may only put on one queue, or only take from one queue.
var outsiders = [
  { principalId: backOfficePrincipalId, queue: 'message-requests', role: 'Storage Queue Data Message Sender' }
  { principalId: backOfficePrincipalId, queue: 'message-requests-bulk', role: 'Storage Queue Data Message Sender' }
  { principalId: outcomeReaderPrincipalId, queue: 'message-outcomes', role: 'Storage Queue Data Message Processor' }
  { principalId: creditorPrincipalId, queue: 'message-settled', role: 'Storage Queue Data Message Sender' }
]

// The back office puts the PDF files that citizens open. Operators only read them, to check a correction. The account's
// other containers hold the host's keys and the package.
var documentRoles = [
  { principalId: backOfficePrincipalId, principalType: 'ServicePrincipal', role: 'Storage Blob Data Contributor' }
  { principalId: operatorsPrincipalId, principalType: 'Group', role: 'Storage Blob Data Reader' }
]

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' existing = {
  parent: storage
  name: 'default'
}

resource outsiderQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = [for outsider in outsiders: {
  parent: queueService
  name: outsider.queue
}]

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: storage
  name: 'default'
}

resource documents 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: blobService
  name: documentContainer
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource appOnStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in appStorageRoles: {
  scope: storage
  name: guid(storage.id, appPrincipalId, roles[role])
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[role])
  }
}]

resource appOnVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, appPrincipalId, roles['Key Vault Secrets User'])
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Secrets User'])
  }
}

resource appOnInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, appPrincipalId, roles['Monitoring Metrics Publisher'])
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Monitoring Metrics Publisher'])
  }
}

resource outsidersOnQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (outsider, index) in outsiders: if (!empty(outsider.principalId)) {
  scope: outsiderQueues[index]
  name: guid(outsiderQueues[index].id, outsider.principalId, roles[outsider.role])
  properties: {
    principalId: outsider.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[outsider.role])
  }
}]

resource onDocuments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for one in documentRoles: if (!empty(one.principalId)) {
  scope: documents
  name: guid(documents.id, one.principalId, roles[one.role])
  properties: {
    principalId: one.principalId
    principalType: one.principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[one.role])
  }
}]

resource operatorsOnStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in operatorStorageRoles: if (!empty(operatorsPrincipalId)) {
  scope: storage
  name: guid(storage.id, operatorsPrincipalId, roles[role])
  properties: {
    principalId: operatorsPrincipalId
    principalType: 'Group'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[role])
  }
}]

resource operatorsOnVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorsPrincipalId)) {
  scope: vault
  name: guid(vault.id, operatorsPrincipalId, roles['Key Vault Secrets User'])
  properties: {
    principalId: operatorsPrincipalId
    principalType: 'Group'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Secrets User'])
  }
}
