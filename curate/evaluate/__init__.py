"""How good a trained LoRA is: pictures drawn for five kinds of prompts, scored against the training pictures."""
