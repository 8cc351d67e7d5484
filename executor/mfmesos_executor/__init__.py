"""What runs on the agents: installed as mfmesos_executor, Python 3.8 or newer, nothing needed there beforehand."""
