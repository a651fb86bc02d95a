"""A local Azure Functions host: runs a Python v2 app in process, on Azurite or a real storage account."""
