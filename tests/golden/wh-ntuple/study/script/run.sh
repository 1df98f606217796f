#!/usr/bin/env bash
# Ntuples of W H with two operators, and the scale of jets as a nuisance parameter
# Compiled by mmc 0.1.0 from the study wh-ntuple; change the study, not this file.

case ${BASH_VERSION:-none} in
  none | [0-3].* | 4.[0-2].*)
    echo "run.sh: needs bash 4.3 or newer; this is ${BASH_VERSION:-another shell}" >&2
    exit 2
    ;;
esac

# What the caller's shell hands down steers nothing here. In POSIX mode no function hides unset and set.
POSIXLY_CORRECT=1
unset -f compgen
for name in $(compgen -A function); do
  unset -f -- "$name"
done
set +efuaCEPTkm +o pipefail +o posix
shopt -u nocasematch nullglob failglob dotglob lastpipe xpg_echo execfail
unset CDPATH EXECIGNORE FUNCNEST GLOBIGNORE POSIXLY_CORRECT TMOUT
unalias -a

usage() {
  cat <<'END'
usage: bash run.sh [-j N] [-o DIR] [-s STAGE] [-n] [--mixed-versions]

Runs the jobs of this study that have not been run yet. A job whose output is damaged runs again when another job has to
read its output.

  -j, --jobs N     use N cores at a time (default: all)
  -o, --out DIR    where the results go (default: the folder out beside this file)
  -s, --stage STAGE
                   run the jobs of this stage alone; those that they wait for must have been run
  -n, --dry-run    print the command of every job, quoted for a shell, and run nothing
  --mixed-versions continue although finished jobs were made with other versions of MadMiner, torch or a generator
  -h, --help       print this text

Each job writes the folder DIR/STAGE/JOB; what it prints goes to DIR/STAGE/JOB.out. DIR/events.log has a line for
everything that happens: start, done, skip (done before), again (done before, but runs again: the reason is at the end
of the line), fail or retry (the exit code is at the end; it is tried again), then stage, job and seconds.

A job that takes longer than the time limit of its stage (that of the study, or hours to weeks) is stopped. The
environment variable MMC_TIME_LIMIT sets another limit for all jobs, in hours.
END
}

die() {
  printf 'run.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

# Cores that a job of each stage uses.
declare -A cores=(
  [configure]=1
  [analyse]=1
  [combine]=1
  [sample]=1
  [train]=1
  [evaluate]=1
  [baselines]=1
  [report]=1
)

# Memory in MiB that a job of each stage needs, where that is known before the run.
declare -A memory=(
  [sample]=144
  [train]=374
  [evaluate]=387
  [baselines]=158
  [report]=191
)

# How often a job of a stage is tried again that fails, where the study says so.
declare -A retries=(
)

# jobs.tsv has a row for each job, in an order in which they can run: stage, job, fingerprint, the number of jobs that
# it waits for, and the rows of the jobs that wait for it ("3" or "3-7", counted from 0). Little is held for each job: to
# start one, the system copies the tables of all memory that this shell has.
rows=()       # by row: its text
waits=()      # by row: for how many jobs a job still waits; only jobs that can run now
ready=()      # rows of the jobs that wait for none, in the order in which they start: from index first to before end
state=()      # by row: before (done by an earlier run) or made; empty for a job that is still to run

load() {
  mapfile -t rows <jobs.tsv
  ((${#rows[@]} == 11)) || die "jobs.tsv does not belong to this file: it should have 11 rows"
  fits combine 2 51
  fits report 5 124
}

# Stop if Linux cannot start the command of stage $1, which names $2 folders below $out: they have $3 bytes without $out.
fits() {
  local LC_ALL=C
  (($2 * ${#out} + $3 <= 1966080)) ||
    die "the job of $1 names $2 folders in $out, more than Linux takes in one command: choose a shorter path with -o"
}

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

# What all jobs of a stage write, from the first job on that reads it.
all_analyse=()
all_baselines=()
all_evaluate=()
all_sample=()
all_train=()

# Set argv to the command of the job in row $1, which was parsed.
# shellcheck disable=SC1003,SC2016 # names of files may hold anything
prepare() {
  case $stage in
    configure)
      argv=(mmc step configure --config config/configure.json --job "$job" --out "$out"/configure/"$job")
      ;;
    analyse)
      argv=(mmc step analyse --config config/analyse.json --job "$job" --setup "$out"/configure/configure --file_signal_root inputs/signal.root --file_background_root inputs/background.root --out "$out"/analyse/"$job")
      ;;
    combine)
      ((${#all_analyse[@]})) || outputs all_analyse 1 2 0
      argv=(mmc step combine --config config/combine.json --job "$job" --setup "$out"/configure/configure --analysed "${all_analyse[@]}" --out "$out"/combine/"$job")
      ;;
    sample)
      argv=(mmc step sample --config config/sample.json --job "$job" --events "$out"/combine/combine --out "$out"/sample/"$job")
      ;;
    train)
      ((${#all_sample[@]})) || outputs all_sample 4 1 0
      argv=(mmc step train --config config/train.json --job "$job" --samples "${all_sample[@]}" --out "$out"/train/"$job")
      ;;
    evaluate)
      local all_train=()
      outputs all_train $((5 + $1 - 6)) 1 $(($1 - 6))
      argv=(mmc step evaluate --config config/evaluate.json --job "$job" --events "$out"/combine/combine --model "${all_train[$1 - 6]}" --out "$out"/evaluate/"$job")
      ;;
    baselines)
      argv=(mmc step baselines --config config/baselines.json --job "$job" --events "$out"/combine/combine --out "$out"/baselines/"$job")
      ;;
    report)
      ((${#all_train[@]})) || outputs all_train 5 1 0
      ((${#all_evaluate[@]})) || outputs all_evaluate 6 1 0
      ((${#all_baselines[@]})) || outputs all_baselines 7 3 0
      argv=(mmc step report --config config/report.json --job "$job" --events "$out"/combine/combine --model "${all_train[@]}" --limits "${all_evaluate[@]}" --baseline "${all_baselines[@]}" --out "$out"/report/"$job")
      ;;
  esac
}

# Ask which jobs have to run: those without an output, and those whose output is damaged or out of date. Outputs that are
# needed are read whole when $1 is empty. Fails if no job can run.
look() {
  local table=$out/.pending.tsv row wait reason code checker again=() later=() stage job fingerprint readers
  ready=() first=0 end=0 waits=()
  rm -f -- "$table" # which may be a link
  mmc pending "${accepted[@]}" ${only:+--stage "$only"} ${1:+--quick} jobs.tsv "$out" </dev/null >"$table" 3>&- &
  checker=$!
  wait "$checker"
  code=$?
  if ((signals)); then
    kill "$checker" 2>/dev/null
    return 1
  elif ((code)); then
    ((code == 3)) || printf 'run.sh: mmc pending failed with exit code %d\n' "$code" >&2
    exit 1
  fi
  todo=0
  while read -r row wait reason; do
    if [[ ${state[row]-} == made ]]; then
      parse "$row"
      die "${stage}[$job] was made, and is not as it was made: $reason"
    fi
    [[ -z $reason ]] || again[row]=$reason
    ((++todo))
    if [[ $wait == later ]]; then
      later[row]=1
      continue
    fi
    waits[row]=$wait
    [[ $wait != 0 ]] || ready[end++]=$row
  done <"$table"
  rm -f -- "$table"
  for ((row = 0; row < ${#rows[@]}; ++row)); do
    if [[ -z ${waits[row]-}${later[row]-} ]]; then
      [[ -z ${state[row]-} ]] || continue
      state[row]=before
      parse "$row"
      printf 'skip %s %s 0.000\n' "$stage" "$job" >&3
    elif [[ -n ${again[row]-} ]]; then
      parse "$row"
      [[ -n ${state[row]-} ]] || note skip 0
      state[row]=''
      note again 0 "${again[row]}"
      printf 'run.sh: %s[%s] is made again: %s\n' "$stage" "$job" "${again[row]}" >&2
    fi
  done
  ((end))
}

# Set clock to microseconds, of which bash before 5.0 knows whole seconds only.
tick() {
  clock=${EPOCHREALTIME:-$SECONDS.000000}
  clock=$((10#${clock/[!0-9]/}))
}

# Log what happens to the job whose row was parsed.
note() {
  printf '%s %s %s %d.%03d%s\n' "$1" "$stage" "$job" $(($2 / 1000000)) $(($2 / 1000 % 1000)) "${3:+ $3}" >&3
}

# Start the job in row $1; if it has failed before, it waits first, and its log is continued.
launch() {
  local tried=${tries[$1]-0} log stage job fingerprint readers
  parse "$1"
  log=$out/$stage/$job.out
  prepare "$1"
  tick
  started[$1]=$clock
  note start 0
  [[ -L $log || (-e $log && ! -f $log) ]] && rm -f -- "$log" # a FIFO would be waited for
  ((tried)) || : >"$log"
  MMC_WAIT_S=$((tried ? 10 << (tried - 1) : 0)) MMC_FINGERPRINT=$fingerprint "${argv[@]}" </dev/null >>"$log" \
    2>&1 3>&- &
  running[$1]=$!
  ((signals)) && kill -TERM "$!" # it came while the job was being started
  ((busy += ${cores[$stage]}, held += ${memory[$stage]-0}))
}

# Start what is ready and fits; what does not fit at all runs alone.
start() {
  local row stage cost size
  while ((first < end && failures == 0 && signals == 0)); do
    row=${ready[first]}
    stage=${rows[row]%%$'\t'*}
    cost=${cores[$stage]} size=${memory[$stage]-0}
    ((busy == 0 || (busy + cost <= n_cores && (size == 0 || held + size <= n_memory)))) || return
    launch "$row"
    unset "ready[first]" # the shell looks for elements from the first one on
    ((++first))
  done
}

# The job whose row was parsed is done: those that waited for it alone are ready.
release() {
  local range row
  for range in $readers; do
    for ((row = ${range%-*}; row <= ${range#*-}; ++row)); do
      [[ -n ${waits[row]-} ]] || continue # done before, or for the next round
      ((--waits[row])) && continue
      unset "waits[row]"
      ready[end++]=$row
    done
  done
}

# The meaning of the exit code $1 of a job.
reason() {
  case $1 in
    4) echo ': the disk is full' ;;
    137) echo ': killed by SIGKILL, as the kernel does when memory runs out' ;;
    129 | 1[3-5]? | 16[0-4]) echo ": killed by SIG$(kill -l "$1")" ;;
  esac
}

# The job in row $1 has ended with the status $2.
settle() {
  local stage job fingerprint readers what log seconds how="exit code $2"
  parse "$1"
  what="$stage $job" log=$out/$stage/$job.out
  ((busy -= ${cores[$stage]}, held -= ${memory[$stage]-0}))
  tick
  ((seconds = clock - started[$1]))
  unset "running[$1]" "started[$1]"
  if (($2 == 0)) && finished; then
    ((++done, --todo))
    state[$1]=made
    note "done" "$seconds"
    [[ -t 1 ]] && printf '[%d/%d] %s, %d s\n' $((${#rows[@]} - todo)) "${#rows[@]}" "$what" $((seconds / 1000000))
    release
    return
  fi
  (($2)) || how='exit code 0, but without the output of this job'
  if ((signals == 0 && ${tries[$1]-0} < ${retries[$stage]-0} && $2 != 2)); then
    note retry "$seconds" "$2"
    printf 'run.sh: %s failed with %s%s and is tried again\n' "$what" "$how" "$(reason "$2")" | tee -a -- "$log" >&2
    ((tries[$1] += 1))
    launch "$1"
    return
  fi
  note fail "$seconds" "$2"
  ((signals)) && return
  ((++failures))
  printf 'run.sh: %s failed with %s%s; what it printed is in %s, at the end:\n' "$what" "$how" "$(reason "$2")" \
    "$(absolute "$log")" >&2
  tail -n 3 -- "$log" >&2
  ((${#running[@]})) && printf 'run.sh: waiting for %d running jobs\n' "${#running[@]}" >&2
}

absolute() {
  [[ $1 == /* ]] && printf '%s' "$1" || printf '%s' "$PWD/$1"
}

# Settle the jobs that have ended; where there is none, wait until one ends or a signal comes.
collect() {
  local row ended=0
  for row in "${!running[@]}"; do
    kill -0 "${running[row]}" 2>/dev/null && continue
    ended=1
    wait "${running[row]}"
    settle "$row" "$?"
  done
  ((ended)) || wait -n
}

# The first signal asks the running jobs to stop, the next one kills them. Set the status to exit with to $1.
stop() {
  status=$1
  ((++signals))
  ((${#running[@]})) || return
  if ((signals == 1)); then
    printf 'run.sh: stopping %d jobs; once more kills them\n' "${#running[@]}" >&2
    kill -TERM "${running[@]}" 2>/dev/null
  else
    kill -KILL "${running[@]}" 2>/dev/null
  fi
}

# flock(2) on the descriptor $2, without waiting. It fails in silence if another process holds the lock.
try_lock() {
  if command -v flock >/dev/null; then
    flock -n "$1" "$2"
  elif command -v python3 >/dev/null; then
    python3 -c '
import fcntl, sys
try:
    fcntl.flock(int(sys.argv[2]), fcntl.LOCK_NB | (fcntl.LOCK_SH if sys.argv[1] == "-s" else fcntl.LOCK_EX))
except BlockingIOError:
    sys.exit(1)
except OSError as error:
    sys.exit(str(error))
' "$1" "$2"
  else
    echo 'this needs the program flock or python3'
    return 1
  fi 2>&1
}

alive() {
  [[ -e /proc/$1 ]] || kill -0 "$1" 2>/dev/null
}

# Hold the lock of the folder $2, its file $3, until this process and all that it has started have ended: -x alone, -s
# together with others. Other commands of mmc use the same file; its content tells them who holds it.
lock() {
  local folder file held said tries who process place=$HOSTNAME
  folder=$(absolute "$2") file=$folder/$3
  descriptor=''
  [[ -r /proc/sys/kernel/random/boot_id ]] && read -r place </proc/sys/kernel/random/boot_id &&
    place+=" $(readlink /proc/self/ns/pid)"
  [[ $1 == -s ]] && place+=' shared' # others may hold it when this process has ended
  for ((tries = 0; tries < 50; ++tries)); do
    [[ -e $file || -w $folder ]] || return 0 # who cannot create the lock cannot write there either
    [[ ! -L $file && (! -e $file || -f $file) ]] || die "$file is not a lock of mmc: move it away"
    { exec {held}<>"$file" || exec {held}<"$file"; } 2>/dev/null || die "cannot write into $folder"
    if said=$(try_lock "$1" "$held"); then
      read -r -n 400 who <"$file"
      if [[ $who =~ ^[0-9]+$ ]] && alive "$who"; then
        die "process $who of an older mmc is running the jobs in $folder; if it is not, remove $file"
      elif [[ -n $who && ! $who =~ ^[0-9]+$ && $who != *' of user '* ]]; then
        die "$file is not a lock of mmc: move it away"
      elif [[ $file -ef /dev/fd/$held ]]; then # it was not removed meanwhile
        {
          printf 'run.sh of user %s on host %s, process %d, ' "$(id -un)" "$HOSTNAME" "$$"
          TZ=UTC0 printf 'since %(%F %T)T UTC\n%d %s\n' -1 "$$" "$place"
        } 2>/dev/null >"$file"
        descriptor=$held
        return 0
      fi
    elif [[ -n $said ]]; then
      die "cannot lock $file: $said; without locks, two runs could mix their outputs"
    fi
    exec {held}>&-
    sleep 0.1
  done
  { read -r -n 400 who && read -r -n 400 process said; } <"$file"
  [[ $said == "$place" ]] && ! alive "$process" && who="a program of a command that has ended: $who"
  who=${who:-another command of mmc}
  die "$folder is in use by ${who//[^[:print:]]/ }"
}

unlock() {
  rm -f -- "$out/run.lock"
  [[ -n $bundle ]] && try_lock -x "$bundle" >/dev/null && rm -f .mmc.lock
}

# A link leads nowhere from the results, except that of their own folder, which may be on another disk.
refuse_links() {
  local link
  [[ -e $out || ! -L $out ]] || die "$out is a link to $(readlink -- "$out"), which does not exist"
  for link in "${!cores[@]}" run.lock events.log; do
    [[ ! -L $out/$link ]] || die "$out/$link is a link, and no link in $out is followed: remove it"
  done
  [[ ! -e $out/events.log || -f $out/events.log ]] || die "$out/events.log is not a file: remove it"
}

# Stop because the results cannot be written; $1 is what was said of that.
refuse_to_write() {
  die "cannot write into $(absolute "$out"): ${1##*: }; copy the folder of run.sh, or choose another folder with -o"
}

# Make the folders, and keep a second run out of them.
claim() {
  local stage said kept folders=() descriptor=''
  said=$(mkdir -p -- "$out" 2>&1) || refuse_to_write "$said"
  if [[ -n ${MMC_RUN_LOCK-} && $out/run.lock -ef /dev/fd/$MMC_RUN_LOCK ]]; then
    # shellcheck disable=SC2034 # it only has to stay open
    [[ $MMC_RUN_LOCK != 3 ]] || exec {kept}<&3 # the events take its place
    unset MMC_RUN_LOCK # mmc run holds the locks
  else
    lock -x "$out" run.lock
    trap unlock EXIT
    lock -s "$PWD" .mmc.lock
    bundle=$descriptor
  fi
  for stage in "${!cores[@]}"; do
    folders+=("$out/$stage")
  done
  said=$({ mkdir -p -- "${folders[@]}" && : >>"$out/events.log"; } 2>&1) || refuse_to_write "$said"
  exec 3>"$out/events.log" || refuse_to_write 'events.log cannot be opened'
  export MMC_ENGINE=$$ # a job ends with this process
}

# Set n_memory to the memory of this machine, or of this container, in MiB; where it is not known, there is enough.
measure() {
  local what size limit=''
  n_memory=$((1 << 40))
  [[ -r /proc/meminfo ]] && while read -r what size _; do
    [[ $what != MemTotal: ]] || n_memory=$((size >> 10))
  done </proc/meminfo
  [[ -r /sys/fs/cgroup/memory.max ]] && read -r limit </sys/fs/cgroup/memory.max
  [[ ! $limit =~ ^[0-9]+$ ]] || ((limit >> 20 >= n_memory)) || n_memory=$((limit >> 20))
}

# Print the search path $1, in which relative folders are below the caller's folder, and stay there.
anchored() {
  local folder separator=''
  while IFS= read -r -d : folder; do
    [[ $folder == /* ]] || folder=$caller/$folder
    printf '%s%s' "$separator" "$folder"
    separator=:
  done <<<"$1:"
}

caller=$PWD out=out n_cores='' only='' dry='' bundle='' accepted=()
while (($#)); do
  case $1 in
    -j?*) set -- -j "${1#-j}" "${@:2}" ;;
    -o?*) set -- -o "${1#-o}" "${@:2}" ;;
    -s?*) set -- -s "${1#-s}" "${@:2}" ;;
    --jobs=* | --out=* | --stage=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    -j | --jobs)
      [[ ${2-} =~ ^[1-9][0-9]{0,5}$ ]] || die "$1 needs a number of cores" 2
      n_cores=$2
      shift 2
      ;;
    -o | --out)
      [[ -n ${2-} ]] || die "$1 needs a folder" 2
      out=$2
      [[ $out == \~ || $out == \~/* ]] && out=${HOME?is not set}${out#\~} # the shell leaves it after =
      [[ $out == /* ]] || out=$caller/$out
      shift 2
      ;;
    -s | --stage)
      [[ -n ${2-} && -n ${cores[$2]-} ]] || die "$1 needs a stage, one of: ${!cores[*]}" 2
      only=$2
      shift 2
      ;;
    -n | --dry-run)
      dry=yes
      shift
      ;;
    --mixed-versions)
      accepted=("$1")
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) die "unknown option $1; -h lists the options" 2 ;;
  esac
done

PATH=$(anchored "$PATH")
[[ -z ${PYTHONPATH-} ]] || PYTHONPATH=$(anchored "$PYTHONPATH")
[[ ${BASH_SOURCE[0]} == */* ]] && { cd -P -- "${BASH_SOURCE[0]%/*}/" || die "cannot enter the folder of run.sh"; }
[[ -n $n_cores ]] || n_cores=$(unset OMP_NUM_THREADS OMP_THREAD_LIMIT && nproc 2>/dev/null) || n_cores=1
argv=() clock=0 started=() running=() tries=() # by row: the time of the start, and the process of a job that is running
measure
busy=0 held=0 done=0 failures=0 signals=0 status=0
if [[ -z $dry ]]; then
  trap 'stop 130' INT
  trap 'stop 143' TERM
  trap 'stop 129' HUP
  refuse_links
  claim
fi
load
todo=${#rows[@]}
if [[ -n $dry ]]; then
  for ((row = 0; row < ${#rows[@]}; ++row)); do
    parse "$row"
    [[ -z $only || $stage == "$only" ]] || continue
    prepare "$row"
    printf '%q' "${argv[0]}"
    printf ' %q' "${argv[@]:1}"
    echo
  done
  exit 0
fi
while look "${done#0}"; do # with jobs done, what was read whole before need not be again
  while start; ((${#running[@]})); do
    collect
  done
  ((failures || signals)) && break
done
exec 3>&-
printf 'run.sh: %d of %d jobs done, %d of them before, in %d s\n' $((${#rows[@]} - todo)) "${#rows[@]}" \
  $((${#rows[@]} - todo - done)) "$SECONDS"
((signals)) && die "stopped; run again to continue" "$status"
((failures)) && die "$failures failed; run again to continue"
if [[ -n $only ]]; then
  for ((row = 0; row < ${#rows[@]}; ++row)); do
    [[ ${rows[row]} != "$only"$'\t'* || -n ${state[row]-} ]] || die "$only reads outputs of stages that have not been run"
  done
  exit 0
fi
((todo)) && die "$todo jobs are not done; run again to continue"
printf 'run.sh: %s\n' "$(absolute "$out"/combine/combine)"
printf 'run.sh: %s\n' "$(absolute "$out"/train)"
printf 'run.sh: %s\n' "$(absolute "$out"/evaluate)"
printf 'run.sh: %s\n' "$(absolute "$out"/baselines)"
printf 'run.sh: %s\n' "$(absolute "$out"/report/report)"
