"""Weights as diffusers and transformers modules, and the causal, chunked forward passes over them."""
