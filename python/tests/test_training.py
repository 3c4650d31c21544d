"""Training: data in every form, settings, callbacks, interruptions, and the same bits as the command."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import convscope
from conftest import NETWORK, stripes
from convscope._progress import Progress


def test_a_run_has_learned(run) -> None:
    assert run.ending == "completed"
    metrics = run.metrics
    assert metrics["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert metrics["val_accuracy"][-1] == 1.0 and metrics["train_loss"][-1] < metrics["train_loss"][0]
    assert set(run.layer_metrics["layer"]) == {"conv2d", "conv2d_1", "batch_normalization", "dense"}
    assert run.summary["test_accuracy"] == 1.0
    assert repr(run) == "Run(network on arrays, after 6 epochs, test accuracy 100.00%)"
    images, labels = stripes(10, seed=9)
    found = run.predict(images)
    assert found.labels.tolist() == labels.tolist() and found.names[:2] == ["rows", "columns"]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(found.probabilities, run.predict(images.astype(np.float32) / 255).probabilities)
    test = run.evaluate()
    assert (test.split, test.images, test.accuracy) == ("test", 30, 1.0)
    assert test.confusion.tolist() == [[15, 0], [0, 15]]
    other = run.evaluate(stripes(8, seed=3))
    assert (other.images, other.confusion.trace()) == (8, 8)


def test_the_command_trains_the_same_bits(tmp_path) -> None:
    settings = {"epochs": 2, "batch_size": 8, "seed": 5, "optimizer": "sgd", "momentum": 0.5, "augment": "flip"}
    pictures(tmp_path / "data")
    run = convscope.train(
        tmp_path / "data", model="plain8", **settings, image_size=16, out=tmp_path / "ours", progress=False
    )
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "convscope", "train", "--quiet", "--data", str(tmp_path / "data")]
    command += [*flags, "--image-size=16", "--out", str(tmp_path / "theirs")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for name in ("metrics.csv", "summary.json", "report.html", "model.toml"):
        assert (tmp_path / "ours" / name).is_file(), sorted(os.listdir(tmp_path / "ours"))
    theirs = convscope.load(tmp_path / "theirs")
    ours, theirs_arrays = run.state_dict(), theirs.state_dict()
    assert ours.keys() == theirs_arrays.keys()
    for key, array in ours.items():
        np.testing.assert_array_equal(array, theirs_arrays[key], key)
    for name in ("train_loss", "val_loss", "val_accuracy"):
        np.testing.assert_array_equal(run.metrics[name], theirs.metrics[name])
    assert run.config == theirs.config
    # Nothing in memory alone differs either.
    again = convscope.train(tmp_path / "data", model="plain8", **settings, image_size=16, threads=1, progress=False)
    assert again.path is None
    for key, array in ours.items():
        np.testing.assert_array_equal(array, again.state_dict()[key], key)


def test_fine_tuning_is_that_of_the_command(tmp_path) -> None:
    pictures(tmp_path / "data")
    convscope.train(tmp_path / "data", "plain8", epochs=1, image_size=16, out=tmp_path / "first", progress=False)
    run = convscope.train(tmp_path / "data", tmp_path / "first", epochs=2, progress=False)
    assert 'freeze = "all-but-head"' in run.config
    command = [sys.executable, "-m", "convscope", "train", "--quiet", "--data", str(tmp_path / "data"), "--epochs=2"]
    command += ["--model", str(tmp_path / "first"), "--out", str(tmp_path / "theirs")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    theirs = convscope.load(tmp_path / "theirs")
    assert run.config == theirs.config
    for key, array in run.state_dict().items():
        np.testing.assert_array_equal(array, theirs.state_dict()[key], key)


def pictures(folder) -> None:
    """Two folders of pictures of 16 x 16 pixels."""
    from convscope._pictures import png

    images, labels = stripes(40, 16)
    for index, (image, label) in enumerate(zip(images, labels)):
        place = folder / ("rows", "columns")[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index:03}.png").write_bytes(png(np.repeat(image[0][:, :, None], 3, axis=2)))


def test_a_folder_and_its_run_again(tmp_path) -> None:
    pictures(tmp_path / "data")
    run = convscope.train(tmp_path / "data", NETWORK, epochs=1, out=tmp_path / "run", progress=False)
    assert run.classes == ["columns", "rows"]
    again = convscope.load(tmp_path / "run")
    assert again.ending == "completed" and "data" in repr(convscope.train(tmp_path / "data", NETWORK, 1, progress=False))
    assert again.layers["layer"] == run.layers["layer"]
    path = tmp_path / "data" / "rows" / "000.png"
    np.testing.assert_array_equal(again.predict(path).probabilities, run.predict([path]).probabilities)
    with pytest.raises(ValueError, match="run"):
        convscope.train(tmp_path / "data", NETWORK, epochs=1, out=tmp_path / "run", progress=False)


def test_labels_may_be_names_and_images_numbers_without_channels() -> None:
    images, labels = stripes(20)
    names = np.array(["rows", "columns"])[labels]
    run = convscope.train((images[:, 0].astype(np.float32) / 255, names), NETWORK, epochs=1, progress=False)
    assert run.classes == ["columns", "rows"]
    assert run._images().count("train") == 16 and run._images().count("val") == 4
    run = convscope.train((images, labels), NETWORK, epochs=1, val_fraction=0.5, progress=False)
    assert run._images().count("val") == 10


@pytest.mark.parametrize(
    ("error", "text", "data", "settings"),
    [
        (ValueError, "momentun is not a training setting", None, {"momentun": 0.5}),
        (ValueError, 'lr cannot be fast', None, {"lr": "fast"}),
        (ValueError, "lr is -1", None, {"lr": -1.0}),
        (ValueError, "optimizer.momentum", None, {"momentum": 0.5}),
        (ValueError, "unknown|plain9", None, {"model": "plain9"}),
        (ValueError, "image_size is for pictures", None, {"image_size": 8}),
        (ValueError, "channels last", (np.zeros((4, 9, 9, 3), np.uint8), [0, 1, 0, 1]), {}),
        (TypeError, "images have dtype float64", (np.zeros((4, 1, 9, 9)), [0, 1, 0, 1]), {}),
        (TypeError, "labels have dtype float64", (np.zeros((4, 1, 9, 9), np.uint8), [0.5, 1, 0, 1]), {}),
        (ValueError, "4 images have 3 labels", (np.zeros((4, 1, 9, 9), np.uint8), [0, 1, 0]), {}),
        (ValueError, "label -1", (np.zeros((4, 1, 9, 9), np.uint8), [0, 1, 0, -1]), {}),
        (ValueError, "split valid", {"train": (np.zeros((4, 1, 9, 9), np.uint8), [0, 1, 0, 1]), "valid": (0, 0)}, {}),
        (TypeError, "data has type int", 7, {}),
        (FileNotFoundError, "no-such-folder", "no-such-folder", {}),
    ],
)
def test_what_is_wrong_is_said(error, text, data, settings) -> None:
    data = stripes(20) if data is None else data
    settings = {"model": NETWORK, **settings}
    with pytest.raises(error, match=text):
        convscope.train(data, epochs=1, progress=False, **settings)


def test_settings_may_be_dicts_and_lists(data) -> None:
    run = convscope.train(
        data,
        NETWORK,
        epochs=1,
        optimizer={"name": "adamw", "weight_decay": np.float64(0.1)},
        betas=(0.8, 0.9),
        schedule="step",
        step_size=np.int64(3),
        seed=None,
        progress=False,
    )
    for line in ('name = "adamw"', "weight_decay = 0.1", "0.8", "step_size = 3", "seed = 1"):
        assert line in run.config, line


def test_callbacks_are_called_and_may_stop(data) -> None:
    seen = []

    def callback(metrics) -> object:
        seen.append(metrics["epoch"])
        return len(seen) < 2

    run = convscope.train(data, NETWORK, epochs=9, callbacks=[callback], progress=False)
    assert seen == [1, 2] and run.ending == "interrupted"
    assert run.metrics["epoch"].tolist() == [1, 2]
    assert repr(run).startswith("Run(network on arrays, interrupted after 2 epochs")


def test_a_teacher_is_trained_first(tmp_path) -> None:
    pictures(tmp_path / "data")
    settings = {"epochs": 2, "batch_size": 8, "image_size": 16, "teacher": {"width": 2.0, "epochs": 1}, "progress": False}
    seen = []
    run = convscope.train(
        tmp_path / "data", "plain8", **settings, callbacks=[lambda metrics: seen.append(metrics["epoch"])], out=tmp_path / "run"
    )
    assert seen == [1, 2] and run.metrics["epoch"].tolist() == [1, 2]
    assert convscope.load(tmp_path / "run" / "teacher").metrics["epoch"].tolist() == [1]
    (tmp_path / "same.toml").write_text(run.config)
    command = [sys.executable, "-m", "convscope", "train", "--quiet", "--config", str(tmp_path / "same.toml")]
    subprocess.run([*command, "--out", str(tmp_path / "theirs")], check=True, stdout=subprocess.DEVNULL)
    theirs = convscope.load(tmp_path / "theirs").state_dict()
    for key, array in run.state_dict().items():
        np.testing.assert_array_equal(array, theirs[key], key)
    with pytest.raises(ValueError, match="train a teacher first, which needs a run directory"):
        convscope.train(tmp_path / "data", "plain8", **settings)


def test_an_exception_in_a_callback_arrives_and_the_run_is_saved(data, tmp_path) -> None:
    def callback(metrics) -> None:
        raise KeyError(f"epoch {metrics['epoch']}")

    with pytest.raises(KeyError, match="epoch 1"):
        convscope.train(data, NETWORK, epochs=3, callbacks=[callback], out=tmp_path / "run", progress=False)
    kept = convscope.load(tmp_path / "run", data)
    assert kept.ending == "interrupted" and kept.metrics["epoch"].tolist() == [1]
    # The next one is not disturbed.
    assert convscope.train(data, NETWORK, epochs=1, progress=False).ending == "completed"


def test_a_callback_may_use_the_library(data, run) -> None:
    seen = []

    def callback(metrics) -> None:
        seen.append(run.predict(data[0][:4]).names)
        inner = convscope.train(data, NETWORK, epochs=1, threads=1, progress=False)
        seen.append(inner.ending)

    convscope.train(data, NETWORK, epochs=1, threads=1, callbacks=[callback], progress=False)
    assert seen == [["rows", "columns"] * 2, "completed"]


def test_two_threads_train_at_once(data) -> None:
    alone = convscope.train(data, NETWORK, epochs=3, seed=3, progress=False)
    found = {}

    def work(name: str) -> None:
        calls = []
        found[name] = convscope.train(
            data, NETWORK, epochs=3, seed=3, callbacks=[lambda metrics: calls.append(threading.current_thread().name)], progress=False
        )
        found[f"{name} calls"] = calls

    threads = [threading.Thread(target=work, args=(name,), name=name) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    for name in ("a", "b"):
        assert found[f"{name} calls"] == [name] * 3
        for key, array in alone.state_dict().items():
            np.testing.assert_array_equal(found[name].state_dict()[key], array, key)


def test_two_threads_share_a_run(run, data) -> None:
    expected = run.predict(data[0]).probabilities
    same = []

    def work() -> None:
        for _ in range(10):
            same.append(np.array_equal(run.predict(data[0]).probabilities, expected))
            run.feature_maps(data[0][0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    assert same == [True] * 40


def test_other_threads_run_meanwhile(data) -> None:
    """A training that holds the interpreter would let this thread count only between its events."""
    counted = 0
    done = threading.Event()

    def work() -> None:
        convscope.train(data, NETWORK, epochs=30, progress=False)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        counted += 1
        time.sleep(0)
    thread.join()
    assert counted > 100


CHILD = """
import sys
import convscope
from conftest import NETWORK, stripes

def ready(metrics):
    print("epoch", metrics["epoch"], flush=True)

run = convscope.train(stripes(80), NETWORK, epochs=100000, callbacks=[ready], progress=False, out=sys.argv[1])
print(run.ending, len(run.metrics["epoch"]) > 0, run.predict(stripes(2)[0]).names[0] in run.classes, flush=True)
"""


def start(tmp_path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "run")],
        cwd=os.path.dirname(__file__),
        stdout=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_keeps_the_run(tmp_path) -> None:
    with start(tmp_path) as child:
        assert child.stdout.readline() == "epoch 1\n"
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read()
        assert child.wait(timeout=60) == 0 and rest.endswith("interrupted True True\n"), rest
    assert convscope.load(tmp_path / "run").ending == "interrupted"


def test_a_killed_training_leaves_its_run(tmp_path) -> None:
    with start(tmp_path) as child:
        child.stdout.readline(), child.stdout.readline()
        child.kill()
        child.wait(timeout=60)
    kept = convscope.load(tmp_path / "run", stripes(80))
    assert kept.ending == "interrupted" and len(kept.metrics["epoch"]) >= 1
    assert kept.predict(stripes(2)[0]).names


def test_progress_is_a_line_for_each_epoch(data) -> None:
    stream = io.StringIO()
    shown = Progress(stream)
    shown.begin({"epochs": 2, "warnings": ["careful"]})
    shown.batch({"epoch": 1, "epochs": 2, "batch": 1, "batches": 3, "loss": 0.5, "accuracy": 0.25})
    shown.epoch({"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.75, "val_loss": None, "val_accuracy": None, "seconds": 1.0})
    shown.end("")
    assert stream.getvalue() == "warning: careful\nepoch 1/2  loss 0.5000  accuracy 75.00%  1.0 s\n"
