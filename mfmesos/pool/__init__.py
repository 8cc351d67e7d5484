"""A pool of workers for managers of Work Queue and TaskVine: who needs workers, and the engine that keeps them."""
