"""All that the storage account keeps. The only package that imports Azure storage clients."""
