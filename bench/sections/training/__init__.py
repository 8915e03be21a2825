"""Fine-tuning, and the trainer that it is compared with."""
