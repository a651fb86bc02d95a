"""Parts that run without Azure: the functions host, the storage emulator, the IO simulator, the demo."""
