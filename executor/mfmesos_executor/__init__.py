"""The executor, which runs on agents as mfmesos_executor: Python 3.8 or newer, nothing else to install."""
