"""Commands of the README and the pages that no test runs, by name, each with the reason; all others are run.

What takes no training is run by default (`tests/site/test_pages_run.py`), the rest with `-m slow`: there trainings stop
after 20 seconds, and those whose numbers a page states run to their end (`tests/site/test_stated_numbers.py`). Files
that readers bring are stand-ins, and `RUN` is a run of the page. A test holds that every name here stands on a page.
"""

from __future__ import annotations

GPU = "a GPU"
CELEBA = "CelebA, which may not be redistributed"
OWN = "it changes the reader's own environment or copy of the repository"
LONG = "more than five minutes of one core, without a time limit"
PICTURES = "photographs or faces that do not ship with metasiren"
SERVER = "a server that runs until it is stopped"
TESTS = "it runs the project's tests"
ELSEWHERE = "test_tutorial.py runs it, and compares what it prints"
NAMED = "a sentence that names a command, or the beginning of one"

NOT_RUN: dict[str, list[str]] = {
    GPU: [
        "metasiren compare image --over lr=1e-3,1e-4 --seeds 4 --devices all",
        "metasiren compare image --over nonlinearity=sine,relu,tanh --devices cuda:0,cuda:1",
        "metasiren compare image --over nonlinearity=sine,relu,tanh --seeds 4 --devices all",
        "metasiren reproduce --devices cuda:0,cuda:1",
        "metasiren run image --preset paper_text --set train.graph=true --device cuda",
        "metasiren run image --preset paper_text",
        "metasiren selfcheck --device cuda",
        "metasiren selfcheck --device cuda -o selfcheck.json",
        "torchrun --nproc_per_node=2 -m metasiren run celeba_cnn --preset paper_text",
    ],
    CELEBA: ["metasiren data celeba --root DIR"],
    OWN: [
        "python benchmarks/screenshots.py runs/image-quick-1 runs/celeba_gaussian-quick-1",
        "pip install .",
        "python -m pip install .",
        "python -m pip install '.[all]'",
        "python -m pip install '.[app]'",
        "python -m pip install '.[export]'",
        "python -m pip install 'metasiren[inpainting]'",
        "python -m pip install 'metasiren[plots]'",
        "python -m pip install 'metasiren[shapes]'",
        "python -m pip install 'metasiren[signals]'",
        "python -m pip install ./plugins/acme_wandb",
        "python -m pip install tox",
    ],
    LONG: [
        "python benchmarks/derivatives.py",
        "python benchmarks/equations.py burgers --seconds 80 --share 10 --variant 'memory=data.points.interior=2000'"
        " --variant 'plain=train.optimizer.momentum=0' --variant"
        " 'broyden=data.points.interior=2000;train.optimizer={name: self_scaled};train.ema=null' --variant"
        " 'bfgs=data.points.interior=2000;train.optimizer={name: self_scaled, method: bfgs};train.ema=null'",
        "python benchmarks/equations.py burgers --seconds 3600 --share 60 --variant"
        " 'hour=siren.hidden_features=36;data.points.interior=2000;data.settle.after=0.6;"
        "train.stages.0.steps=1500;train.stages.1.steps=1000'",
        "python benchmarks/equations.py burgers --seconds 900 --share 60 --variant"
        " 'long=train.stages.0.steps=7000;train.stages.1.steps=1750'",
        "python benchmarks/optimizers.py --signal picture",
        "python benchmarks/time_to_quality.py --poisson gradient --photograph camera --size 64 --steps 300 --budget 40"
        " --slice 4",
        "python benchmarks/time_to_quality.py --poisson gradient --photograph coffee --size 96 --steps 200 --budget 40"
        " --slice 4",
        "python benchmarks/time_to_quality.py --poisson laplacian --photograph camera --size 128 --steps 100"
        " --budget 80 --slice 4",
        "python benchmarks/time_to_quality.py --size 128 --photograph camera --photograph astronaut --photograph coffee"
        " --photograph chelsea --photograph brick",
        "python benchmarks/time_to_quality.py --slice 4 --size 256 --photograph camera",
        "python benchmarks/time_to_quality.py --slice 4 --sound gt_bach.wav",
        "python benchmarks/time_to_quality.py --slice 4 --sound gt_counting.wav",
        "python benchmarks/time_to_quality.py --wave helmholtz --points 2000 --steps 1600 --budget 4 --slice 1",
        "python benchmarks/time_to_quality.py --wave wave --points 2000 --steps 300 --budget 300 --slice 20",
        "python benchmarks/rivals.py --steps 200 --tune RATES.json",
        "python benchmarks/rivals.py --steps 200 --rates RATES.json --picture FILE.png",
    ],
    PICTURES: [
        "python benchmarks/first_omega.py --pictures FOLDER",
        "python benchmarks/learned_starts.py --train FACES.npz --test FACES.npz --maml",
        "python benchmarks/learned_starts.py --train FACES.npz --test FACES.npz --tune META.json --meta-steps 100",
        "python benchmarks/learned_starts.py --train FOLDER --test OTHER --size 64 --items 3 --meta-steps 150",
        "python benchmarks/rivals.py --authors --files PICTURE...",
        "python benchmarks/rivals.py --published --files PICTURE...",
        "python benchmarks/rivals.py --published --only sine --only finer --files PICTURE...",
        "python benchmarks/rivals.py --steps 200 --rates RATES.json --seeds 3 --files PICTURE...",
        "python benchmarks/starts.py --pictures FOLDER --size 32 --steps 200",
    ],
    SERVER: ["tensorboard --logdir runs"],
    TESTS: [
        "python -m pytest FILE",
        "python tests/soak/soak.py",
        "tox",
        "tox -e py",
        "tox -e py-oldest",
        "tox -e fuzz -- READER -max_total_time=600",
        "tox -e soak -- --minutes 30",
    ],
    ELSEWHERE: [
        "cd acme-max",
        "metasiren describe encoder acme_max",
        "metasiren new encoder acme-max",
        "metasiren run recipe.yaml",
        "metasiren run recipe.yaml --set train.steps=2 --set data.train=64 --set data.val=8 --set data.test=8"
        " --set evaluate.baselines=false --out /tmp/acme-first --device cpu",
        "python -m pip install -e '.[test]'",
        "python -m pytest -q",
    ],
    NAMED: [
        "metasiren",
        "metasiren --without NAME",
        "metasiren --without NAME …",
        "metasiren compare",
        "metasiren describe",
        "metasiren evaluate",
        "metasiren export",
        "metasiren inpaint --samples 4 --std",
        "metasiren new KIND NAME",
        "metasiren render",
        "metasiren report",
        "metasiren reproduce",
        "metasiren run",
        "metasiren run … --deterministic",
        "metasiren run NAME --preset quick --seed 0 --device cpu",
        "metasiren solve",
        "metasiren table",
        "metasiren table RUN…",
        "metasiren table RUN… --format markdown|latex|csv|json",
        "torchrun … -m metasiren run --resume RUN",
    ],
}
REASONS = {command: reason for reason, commands in NOT_RUN.items() for command in commands}
