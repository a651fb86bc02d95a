"""Everything that the storage account keeps. Only this package imports Azure storage clients."""
