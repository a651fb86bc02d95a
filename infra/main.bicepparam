// The answers come from the environment of `azd` (azd env set POSTINO_...), or from the shell. A deployment sets
// everything: an answer that is missing goes back to its default.
using './main.bicep'

param prefix = readEnvironmentVariable('POSTINO_PREFIX', 'postino')
param location = readEnvironmentVariable('AZURE_LOCATION', 'italynorth')
param tags = { 'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME', 'postino') }
param privateNetwork = bool(readEnvironmentVariable('POSTINO_PRIVATE_NETWORK', 'false'))
param backOfficePrincipalId = readEnvironmentVariable('POSTINO_BACK_OFFICE', '')
param outcomeReaderPrincipalId = readEnvironmentVariable('POSTINO_OUTCOME_READER', '')
param creditorPrincipalId = readEnvironmentVariable('POSTINO_CREDITOR', '')
param operatorsPrincipalId = readEnvironmentVariable('POSTINO_OPERATORS', '')
param signInClientId = readEnvironmentVariable('POSTINO_SIGN_IN', '')
// A JSON object, without secrets, such as {"IO_RATE_LIMIT": "250/5"}.
param settings = json(readEnvironmentVariable('POSTINO_SETTINGS', '{}'))
// Names with commas between them.
param secretSettings = split(readEnvironmentVariable('POSTINO_SECRET_SETTINGS', 'ENCRYPTION_KEYS,IO_API_KEY'), ',')
// Addresses with commas between them.
param alertEmails = filter(split(readEnvironmentVariable('POSTINO_ALERT_EMAILS', ''), ','), email => !empty(email))
