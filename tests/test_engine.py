import threading

import numpy as np
import pytest

from deepmasque import engine
from deepmasque.errors import WeightsError


def test_a_device_that_is_absent_is_an_error_not_a_slower_run(monkeypatch):
    monkeypatch.setenv(engine.DEVICE_VARIABLE, "cuda")
    monkeypatch.setattr(engine.shutil, "which", lambda _: None)
    monkeypatch.setattr(engine.sys, "platform", "linux")
    with pytest.raises(WeightsError, match="asks for cuda"):
        engine.chosen_device()


def test_an_unknown_device_is_named(monkeypatch):
    monkeypatch.setenv(engine.DEVICE_VARIABLE, "abacus")
    with pytest.raises(WeightsError, match="not abacus"):
        engine.chosen_device()


def test_the_cpu_can_always_be_asked_for(monkeypatch):
    monkeypatch.setenv(engine.DEVICE_VARIABLE, "cpu")
    assert engine.chosen_device() == "cpu"


def test_the_engine_of_gpus_computes_what_the_cpu_engine_does():
    x = np.random.default_rng(0).normal(size=(8, 96, 64)).astype(np.float32)
    on_torch = engine.TorchEngine("portrait", "cpu")
    np.testing.assert_allclose(on_torch(x), engine.portrait_engine()(x), atol=0.02)


def test_there_is_one_engine_and_every_thread_gets_its_own_answer():
    network = engine.portrait_engine()
    assert network is engine.portrait_engine()
    assert network.device
    inputs = [np.full((8, 64, 64), value, np.float32) for value in (0, 0.3, 0.6, 0.9)]
    expected = [network(x) for x in inputs]
    answers = [None] * len(inputs)

    def work(index):
        for _ in range(5):
            answers[index] = network(inputs[index])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer, wanted in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(answer, wanted)
