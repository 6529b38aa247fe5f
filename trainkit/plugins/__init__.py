"""Everything that verl or vLLM loads. Nothing else in trainkit imports torch, verl, vllm or ray."""
