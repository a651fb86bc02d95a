// The alerts. Each is a query that returns rows when an operator must act. docs/runbook.md gives the meaning and the
// action of each alert.

param location string
param tags object
param prefix string
param workspaceId string

@description('E-mail recipients of the alerts.')
param emails array

// The window of an event that comes once is longer than its log may take to arrive: storage's logs take a quarter of an
// hour at times.
var alerts = [
  {
    name: 'poison'
    severity: 1
    window: 'PT30M'
    says: 'A message was put on a -poison queue.'
    query: loadTextContent('alerts/poison.kql')
  }
  {
    name: 'in-doubt'
    severity: 1
    window: 'PT30M'
    says: 'A message may or may not have reached IO.'
    query: loadTextContent('alerts/in-doubt.kql')
  }
  {
    name: 'oldest-age'
    severity: 2
    window: 'PT15M'
    says: 'The next message of a queue was put more than an hour ago.'
    query: loadTextContent('alerts/oldest-age.kql')
  }
  {
    name: 'unauthorized'
    severity: 1
    window: 'PT10M'
    says: 'IO answered 401 or 403.'
    query: loadTextContent('alerts/unauthorized.kql')
  }
  {
    name: 'too-many-requests'
    severity: 2
    window: 'PT15M'
    says: 'More than one call in twenty was answered 429.'
    query: loadTextContent('alerts/too-many-requests.kql')
  }
  {
    name: 'no-success'
    severity: 1
    window: 'PT15M'
    says: 'Calls to IO were made, and none succeeded.'
    query: loadTextContent('alerts/no-success.kql')
  }
  {
    name: 'days-behind'
    severity: 2
    window: 'PT30M'
    says: 'Status polling, reminders or the removal of documents have a lag of more than a day.'
    query: loadTextContent('alerts/days-behind.kql')
  }
  {
    name: 'circuit-open'
    severity: 1
    window: 'PT10M'
    says: 'Calls are held back, and not because an operator paused them.'
    query: loadTextContent('alerts/circuit-open.kql')
  }
  {
    name: 'timers-silent'
    severity: 1
    window: 'PT1H'
    says: 'A timer has not run for an hour.'
    query: loadTextContent('alerts/timers-silent.kql')
  }
  {
    name: 'old-poison'
    severity: 0
    window: 'PT30M'
    says: 'A message has been on a -poison queue for five days; the platform deletes it after seven.'
    query: loadTextContent('alerts/old-poison.kql')
  }
  {
    name: 'remote-content-denied'
    severity: 1
    window: 'PT15M'
    says: 'Somebody tries keys, recipients or ids of remote contents, or IO has an old key.'
    query: loadTextContent('alerts/remote-content-denied.kql')
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${prefix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: take(prefix, 12)
    enabled: true
    emailReceivers: [
      for email in emails: {
        name: email
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in alerts: {
    name: '${prefix}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${prefix} ${alert.name}'
      description: '${alert.says} What to do: docs/runbook.md#${alert.name}'
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      autoMitigate: true
      // A new workspace has no table of metrics before the first metrics arrive.
      skipQueryValidation: true
      actions: {
        actionGroups: [people.id]
      }
    }
  }
]

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: guid(workspaceId, 'postino')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: prefix
    category: 'workbook'
    sourceId: workspaceId
    serializedData: loadTextContent('workbook.json')
    version: '1.0'
  }
}
