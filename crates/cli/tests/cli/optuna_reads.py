"""Prints what Optuna and optuna-dashboard read from a journal, and lets Optuna append to it."""

import io
import json
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna_dashboard import wsgi

storage = JournalStorage(JournalFileBackend(sys.argv[1]))
(name,) = optuna.get_all_study_names(storage)
study = optuna.load_study(study_name=name, storage=storage)
assert study.direction == optuna.study.StudyDirection.MAXIMIZE
assert study.metric_names == ["validation accuracy"], study.metric_names
trials = study.get_trials()
for trial in trials:
    assert set(trial.params) == {"lr", "optimizer", "momentum"}, trial.params
    assert 0.001 <= trial.params["lr"] <= 0.1 and trial.params["momentum"] == 0.5
    assert trial.distributions["lr"].log
    assert trial.datetime_complete is not None and trial.datetime_start <= trial.datetime_complete
    if trial.state == optuna.trial.TrialState.COMPLETE:
        assert sorted(trial.intermediate_values) == list(range(1, 10)), trial.intermediate_values
        assert trial.intermediate_values[9] == trial.value
        assert study.best_value >= trial.value
    if trial.state == optuna.trial.TrialState.FAIL:
        assert "momentum" in trial.user_attrs["reason"]


def get(path):
    """Asks the dashboard's own application, without a socket."""
    answer = {}
    environment = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http", "wsgi.version": (1, 0), "wsgi.multithread": False,
        "wsgi.multiprocess": False, "wsgi.run_once": True,
    }
    body = b"".join(app(environment, lambda status, headers, *rest: answer.update(status=status)))
    assert answer["status"].startswith("200"), (path, answer, body)
    return json.loads(body)


app = wsgi(storage)
studies = get("/api/studies")["study_summaries"]
assert [summary["study_name"] for summary in studies] == [name], studies
listed = get(f"/api/studies/{studies[0]['study_id']}")["trials"]

# What other programs append must not disturb a search.
study.set_user_attr("note", "seen by optuna")
study.add_trial(optuna.create_trial(params={}, distributions={}, value=0.1))

print(json.dumps({
    "optuna": [[t.number, t.state.name, t.params["optimizer"], t.value] for t in trials],
    "dashboard": len(listed),
}))
