"""`mfmesos doctor`: finds what this machine and this cluster lack."""
