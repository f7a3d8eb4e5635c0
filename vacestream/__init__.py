"""vacestream: one YAML recipe, rendered chunk by chunk through a causal video diffusion model with VACE control."""
