#!/bin/sh
# The main job from end to end: train, evaluate, predict, explain. Run by `make demo`; writes into demo/.
set -eu
MINUTES=${MINUTES:-4}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ textlattice'; printf ' %s' "$@"; printf '\n'; textlattice "$@"; }

mkdir -p demo

say "1. Train: which Python package does a docstring come from? At most $MINUTES minutes of training."
echo "The texts are docstrings of the Python installation on this machine: a demonstration, not a benchmark."
run train builtin:docstrings:train -o demo/model --max-minutes "$MINUTES"

say "2. Evaluate on docstrings of source files that training has not seen."
run evaluate demo/model builtin:docstrings:test

say "3. Predict the package of three texts."
cat > demo/texts.jsonl <<'TEXTS'
{"text": "Return the sparse matrix in compressed row format, sorted by column index."}
{"text": "Computes the gradient of the loss with respect to each tensor of parameters."}
{"text": "Open the socket, wait for a connection and hand it to a new thread."}
TEXTS
run predict demo/model demo/texts.jsonl -o demo/answers.jsonl
cat demo/answers.jsonl

say "4. Explain one answer: which words speak for it? Each word is taken out in turn."
run explain demo/model --text "Computes the gradient of the loss with respect to each tensor of parameters." \
    --html demo/explanation.html

say "Done. The model is demo/model, the answers demo/answers.jsonl, the explanation demo/explanation.html."
