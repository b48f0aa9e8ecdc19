#!/bin/sh
# The main job from end to end: train, evaluate, predict, explain. Run by `make demo`; writes into demo/.
set -eu
MINUTES=${MINUTES:-4}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { # shows a command, then runs it
    printf '$ textlattice'
    for word in "$@"; do
        case $word in *' '*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    textlattice "$@"
}

mkdir -p demo

say "1. Train: which Python package does a docstring come from? At most $MINUTES minutes of training."
echo "The texts are docstrings of the Python installation on this machine: a demonstration, not a benchmark."
run train builtin:docstrings:train -o demo/model --max-minutes "$MINUTES"

say "2. Evaluate on docstrings of source files that training has not seen."
run evaluate demo/model builtin:docstrings:test

say "3. Predict the package of three texts."
cat > demo/texts.csv <<'TEXTS'
text
"Return the sparse matrix in compressed row format, sorted by column index."
"Computes the gradient of the loss with respect to each tensor of parameters."
"Open the socket, wait for a connection and hand it to a new thread."
TEXTS
run predict demo/model demo/texts.csv -o demo/answers.csv
cat demo/answers.csv

say "4. Explain one answer: which words speak for it? Each word is taken out in turn."
run explain demo/model --text "Computes the gradient of the loss with respect to each tensor of parameters." \
    --html demo/explanation.html

say "Done. The model is demo/model, the answers demo/answers.csv, the explanation demo/explanation.html."
