#!/usr/bin/env bash
# The Drell-Yan study in small, to try every target and engine in a minute
# Compiled by mmc 0.1.0 from the study drell-yan-tiny; change the study, not this file.
#
# usage: bash task.sh TABLE ROW...
#        bash task.sh -n ROW...
# Runs the jobs in these rows of jobs.tsv, counted from 0, one after the other. A job that is done is not run again. A job
# that fails does not stop the others; the exit code is that of the first one that failed. TABLE is the digest of the
# table for which the rows were meant: it is another one when the study was compiled anew while tasks were waiting. With
# -n, prints the commands of the jobs, quoted for a shell.

case ${BASH_VERSION:-none} in
  none | [0-3].* | 4.[0-2].*)
    echo "task.sh: needs bash 4.3 or newer; this is ${BASH_VERSION:-another shell}" >&2
    exit 2
    ;;
esac
[[ ${BASH_SOURCE[0]} != */* ]] || cd -P -- "${BASH_SOURCE[0]%/*}/" || exit
out=out

# Set stage, job, fingerprint and readers to those of row $1, which is in rows.
# shellcheck disable=SC2034 # not every script needs all
parse() {
  local rest=${rows[$1]-}
  stage=${rest%%$'\t'*} rest=${rest#*$'\t'}
  job=${rest%%$'\t'*} rest=${rest#*$'\t'}
  fingerprint=${rest%%$'\t'*} readers=${rest##*$'\t'}
}

# Set the entries of the array $1 from $4 on to the folders that the jobs in $3 rows from $2 on write.
# shellcheck disable=SC2034 # the array is another's
outputs() {
  local -n folders=$1
  local stage job fingerprint readers row index=$4
  for ((row = $2; row < $2 + $3; ++row)); do
    parse "$row"
    folders[index++]=$out/$stage/$job
  done
}

# Whether the job whose row was parsed has made its output.
finished() {
  local record='' file=$out/$stage/$job/job.json
  [[ -f $file ]] && IFS= read -r -d '' record <"$file"
  [[ $record == *"\"$fingerprint\""* ]]
}

# Read $2 rows of jobs.tsv from row $1 on. Bash reads two million rows in a second, other programs far more.
fetch() {
  if (($1 < 10000)); then
    mapfile -t -s "$1" -n "$2" -O "$1" rows <jobs.tsv
  else
    mapfile -t -n "$2" -O "$1" rows < <(tail -n "+$(($1 + 1))" -- jobs.tsv 2>/dev/null) # it may say that nobody reads the rest
  fi
}

# Set stage, job, fingerprint, retries and argv, the command, to those of row $1.
# shellcheck disable=SC1003,SC2016 # names of files may hold anything
prepare() {
  fetch "$1" 1
  parse "$1"
  retries=0
  case $stage in
    configure)
      argv=(mmc step configure --config config/configure.json --job "$job" --out "$out"/configure/"$job")
      ;;
    generate)
      argv=(mmc step generate --config config/generate.json --job "$job" --setup "$out"/configure/configure --out "$out"/generate/"$job")
      ;;
    simulate)
      fetch 1 6 0
      outputs all_generate 1 6 0
      argv=(mmc step simulate --config config/simulate.json --job "$job" --setup "$out"/configure/configure --process "${all_generate[@]}" --out "$out"/simulate/"$job")
      ;;
    analyse)
      fetch $((7 + $1 - 14)) 1 $(($1 - 14))
      outputs all_simulate $((7 + $1 - 14)) 1 $(($1 - 14))
      argv=(mmc step analyse --config config/analyse.json --job "$job" --setup "$out"/configure/configure --events "${all_simulate[$1 - 14]}" --out "$out"/analyse/"$job")
      ;;
    combine)
      fetch 14 7 0
      outputs all_analyse 14 7 0
      argv=(mmc step combine --config config/combine.json --job "$job" --setup "$out"/configure/configure --analysed "${all_analyse[@]}" --out "$out"/combine/"$job")
      ;;
    sample)
      argv=(mmc step sample --config config/sample.json --job "$job" --events "$out"/combine/combine --out "$out"/sample/"$job")
      ;;
    train)
      fetch 22 3 0
      outputs all_sample 22 3 0
      argv=(mmc step train --config config/train.json --job "$job" --samples "${all_sample[@]}" --out "$out"/train/"$job")
      ;;
    evaluate)
      fetch $((25 + $1 - 28)) 1 $(($1 - 28))
      outputs all_train $((25 + $1 - 28)) 1 $(($1 - 28))
      argv=(mmc step evaluate --config config/evaluate.json --job "$job" --events "$out"/combine/combine --model "${all_train[$1 - 28]}" --out "$out"/evaluate/"$job")
      ;;
    baselines)
      argv=(mmc step baselines --config config/baselines.json --job "$job" --events "$out"/combine/combine --out "$out"/baselines/"$job")
      ;;
    report)
      fetch 25 3 0
      outputs all_train 25 3 0
      fetch 28 3 0
      outputs all_evaluate 28 3 0
      fetch 31 3 0
      outputs all_baselines 31 3 0
      argv=(mmc step report --config config/report.json --job "$job" --events "$out"/combine/combine --model "${all_train[@]}" --limits "${all_evaluate[@]}" --baseline "${all_baselines[@]}" --out "$out"/report/"$job")
      ;;
    *)
      echo "task.sh: jobs.tsv has no job in row $1" >&2
      exit 2
      ;;
  esac
}

# Run the prepared job, unless it is done; if it fails, try it as often again as the study says. What it prints goes to
# out/STAGE/JOB.out, and the exit code of one that fails.
run() {
  local log=$out/$stage/$job.out code tried
  ! finished || return 0
  if [[ -L $out/$stage ]] || ! mkdir -p -- "$out/$stage"; then
    echo "task.sh: cannot write into $out/$stage" >&2
    return 3
  fi
  [[ -L $log || (-e $log && ! -f $log) ]] && rm -f -- "$log" # a FIFO would be waited for
  : >"$log"
  for ((tried = 0; ; ++tried)); do
    MMC_WAIT_S=$((tried ? 10 << (tried - 1) : 0)) MMC_ENGINE=$$ MMC_FINGERPRINT=$fingerprint "${argv[@]}" </dev/null \
      >>"$log" 2>&1
    code=$?
    if ((code == 0)) && ! finished; then
      echo "task.sh: ${stage}[$job] ended without its output" >>"$log"
      code=3
    fi
    ((code && code != 2 && tried < retries)) || break
    echo "task.sh: exit code $code, it is tried again" >>"$log"
  done
  if ((code)); then
    echo "task.sh: exit code $code" >>"$log"
    printf 'task.sh: %s[%s] failed with exit code %d; what it printed is in %s, at the end:\n' \
      "$stage" "$job" "$code" "$PWD/$log" >&2
    tail -n 4 -- "$log" >&2
  fi
  return "$code"
}

dry='' status=0 retries=0 rows=() argv=() stage='' job='' fingerprint=''
if [[ ${1-} == -n ]]; then
  dry=yes
elif [[ ${1-} != te8ccb9ead82b65c ]]; then
  echo "task.sh: the study was compiled anew since this task was submitted: submit again" >&2
  exit 2
fi
shift
for row; do
  if [[ ! $row =~ ^(0|[1-9][0-9]{0,8})$ ]]; then
    echo "task.sh: $row is not the number of a row" >&2
    exit 2
  fi
  prepare "$row"
  if [[ -n $dry ]]; then
    printf '%q' "${argv[0]}"
    printf ' %q' "${argv[@]:1}"
    echo
  else
    run
    code=$?
    ((status)) || status=$code
  fi
done
exit "$status"
