"""`mfmesos doctor`: what this machine and this cluster lack."""
