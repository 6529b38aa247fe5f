"""Why a training run fails, stalls or does not learn."""
