"""Is the maximum of a sine wave equal to its amplitude?"""

import matplotlib.pyplot as plt
import numpy as np

lookup_dict = {"frequency": {"fast": 10, "slow": 1}}


def run(amplitude, frequency):
    """Compare the largest value of a sampled sine wave with its amplitude."""
    x = np.arange(0, 10, 0.05)
    y = amplitude * np.sin(frequency * x)
    error = np.abs(np.max(y) - amplitude)

    plt.title("What is the maximum of a sine wave?")
    plt.plot(x, y, label="wave")
    plt.axhline(amplitude, color="tab:orange", label="amplitude")
    plt.legend()

    return {"main": error, "metrics": {"samples": len(x)}, "data": y}
