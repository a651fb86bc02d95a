// The answers come from the environment of `azd` (azd env set POSTINO_...), or from the shell.
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
// Addresses with commas between them.
param alertEmails = filter(split(readEnvironmentVariable('POSTINO_ALERT_EMAILS', ''), ','), email => !empty(email))
