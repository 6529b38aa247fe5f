from evalkit.library.functions import compare_runs as compare_runs
from evalkit.library.functions import grade_answer as grade_answer
from evalkit.library.functions import load_run as load_run
from evalkit.library.functions import read_answer as read_answer
from evalkit.library.functions import score_model as score_model
