/** Scripts that complete the command line in a shell, made of what the commands say of themselves. */
import { InputError } from "../../input/index.js";

/** What may stand somewhere: some words, names of files. */
export interface Candidates {
  readonly words: readonly string[];
  readonly files: boolean;
  /** several, with commas between them */
  readonly list: boolean;
}

/** An option with the names under which it is given; `takes` is absent where nothing follows it. */
interface OptionDefinition {
  readonly short?: string;
  readonly long: string;
  readonly description: string;
  readonly takes?: Candidates;
}

/** A command, as far as completing it goes. */
export interface CommandDefinition {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionDefinition[];
  readonly operands: Candidates;
}

type Script = (commands: readonly CommandDefinition[]) => string;

/** The shells. */
const SCRIPTS: Readonly<Record<string, Script>> = { bash, zsh, fish };
export const SHELLS: readonly string[] = Object.keys(SCRIPTS);

/** The script for a shell. Throws an InputError for another one. */
export function completionScript(shell: string, commands: readonly CommandDefinition[]): string {
  const script = SCRIPTS[shell];
  if (!script) throw new InputError(`no completion for '${shell}', expected ${SHELLS.join(", ")}`);
  return script(commands);
}

/** A word that a shell reads as it is. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const flagsOf = ({ short, long }: OptionDefinition): string[] => [...(short ? [short] : []), long];

/** Places of one command where the same stands: `case` patterns of "COMMAND FLAG", and what stands there. */
function places(commands: readonly CommandDefinition[]): { readonly patterns: string[]; readonly takes: Candidates }[] {
  return commands.flatMap(({ name, options }) =>
    options.flatMap((option) =>
      option.takes ? [{ patterns: flagsOf(option).map((flag) => `${name} ${flag}`), takes: option.takes }] : [],
    ),
  );
}

function bash(commands: readonly CommandDefinition[]): string {
  const offered = ({ words, files, list }: Candidates): string =>
    [`words=${quoted(words.join(" "))}`, ...(files ? ["files=yes"] : []), ...(list ? ["list=yes"] : [])].join(" ");
  const values = places(commands).map(
    ({ patterns, takes }) => `    ${patterns.map(quoted).join("|")}) ${offered(takes)} ;;`,
  );
  const operands = commands.map(
    ({ name, options, operands }) => `      ${name})
        if [[ $cur == -* ]]; then words=${quoted(options.flatMap(flagsOf).join(" "))}; else ${offered(operands)}; fi ;;`,
  );
  return `# bash completion for shootdown; to have it: eval "$(shootdown completion bash)"
_shootdown() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words= files= list= head=
  # --host=NAME comes as three words.
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  case "\${COMP_WORDS[1]} $prev" in
${values.join("\n")}
    *) if (( COMP_CWORD == 1 )); then words=${quoted(commands.map(({ name }) => name).join(" "))}; else case \${COMP_WORDS[1]} in
${operands.join("\n")}
    esac; fi ;;
  esac
  if [[ $list && $cur == *,* ]]; then head=\${cur%,*},; cur=\${cur##*,}; fi
  local IFS=$'\\n'
  COMPREPLY=($(compgen -P "$head" -W "\${words// /$'\\n'}" -- "$cur"))
  if [[ $files ]]; then
    COMPREPLY+=($(compgen -P "$head" -f -- "$cur"))
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _shootdown shootdown
`;
}

function zsh(commands: readonly CommandDefinition[]): string {
  const offered = ({ words, files, list }: Candidates): string =>
    [`found=(${words.map(quoted).join(" ")})`, ...(files ? ["files=yes"] : []), ...(list ? ["list=yes"] : [])].join(
      "; ",
    );
  const described = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([word, text]) => quoted(`${word.replaceAll(":", "\\:")}:${text}`)).join(" ");
  const values = places(commands).map(
    ({ patterns, takes }) => `    (${patterns.map(quoted).join("|")}) ${offered(takes)} ;;`,
  );
  const operands = commands.map(
    ({ name, options, operands }) => `      (${name})
        if [[ $PREFIX == -* ]]; then
          options=(${described(options.flatMap((option) => flagsOf(option).map((flag) => [flag, option.description] as const)))})
        else ${offered(operands)}; fi ;;`,
  );
  return `#compdef shootdown
# zsh completion for shootdown; to have it, after compinit: eval "$(shootdown completion zsh)"
_shootdown() {
  local prev=$words[CURRENT-1] files= list=
  local -a found options
  if (( CURRENT == 2 )); then
    options=(${described(commands.map(({ name, description }) => [name, description] as const))})
    _describe command options
    return
  fi
  if [[ $PREFIX == --*=* ]]; then prev=\${PREFIX%%=*}; compset -P '*='; fi
  case "$words[2] $prev" in
${values.join("\n")}
    (*) case $words[2] in
${operands.join("\n")}
    esac ;;
  esac
  if (( $#options )); then _describe option options; return; fi
  if [[ -n $list ]]; then compset -P '*,'; fi
  compadd -a found
  if [[ -n $files ]]; then _files; fi
}
if [[ $funcstack[1] == _shootdown ]]; then _shootdown "$@"; else compdef _shootdown shootdown; fi
`;
}

function fish(commands: readonly CommandDefinition[]): string {
  const text = (words: string): string => `'${words.replace(/[\\']/g, "\\$&")}'`;
  const offered = ({ words, files, list }: Candidates): string => {
    const all = words.join(" ");
    const arguments_ = words.length === 0 ? "" : ` -a ${text(list ? `(__fish_append , ${all})` : all)}`;
    return `${files ? "-F" : "-f"}${arguments_}`;
  };
  const lines = commands.flatMap(({ name, description, options, operands }) => {
    const here = `complete -c shootdown -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c shootdown -n __fish_use_subcommand -f -a ${name} -d ${text(description)}`,
      `${here} ${offered(operands)}`,
      ...options.map(({ short, long, description: about, takes }) => {
        const flags = `${short ? `-s ${short.slice(1)} ` : ""}-l ${long.slice(2)}`;
        return `${here} ${flags}${takes ? ` -r ${offered(takes)}` : ""} -d ${text(about)}`;
      }),
    ];
  });
  return `# fish completion for shootdown; to have it: shootdown completion fish | source
complete -c shootdown -f
${lines.join("\n")}
`;
}
