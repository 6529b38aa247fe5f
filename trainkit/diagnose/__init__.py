"""Why a training run does not do what was hoped: one small function a cause."""
