import { Argument, Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** `hearth completion`: words that a shell offers, made from the commands themselves. */
export function completionCommand(): Command {
  return new Command('completion')
    .summary('print completions for a shell')
    .description('Print what makes a shell complete commands and flags of hearth.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText('after', EXAMPLES)
    .action((shell: Shell, _options: object, command: Command) => {
      process.stdout.write(SCRIPTS[shell](wordsAfter(command.parent ?? command)));
    });
}

const EXAMPLES = `
Examples:
  eval "$(hearth completion bash)"
  hearth completion fish | source`;

/** What may follow each command: `['', 'token publish …'], ['token', 'check --uid …']`. */
type Words = readonly (readonly [path: string, words: string])[];

function wordsAfter(command: Command, path = ''): Words {
  const names = command.commands.map((each) => each.name());
  const flags = command.options.map(({ long }) => long ?? '').filter((flag) => flag !== '');
  const below = command.commands.flatMap((each) => wordsAfter(each, `${path} ${each.name()}`.trim()));
  return [[path, [...names, ...flags, '--help'].join(' ')], ...below];
}

const SCRIPTS: Readonly<Record<Shell, (words: Words) => string>> = {
  bash: (words) => `_hearth() {
  local path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) [ -n "$(_hearth_words "\${path:+$path }$word")" ] && path="\${path:+$path }$word" ;; esac
  done
  COMPREPLY=($(compgen -W "$(_hearth_words "$path")" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
_hearth_words() {
  case "$1" in
${words.map(([path, list]) => `    "${path}") echo "${list}" ;;`).join('\n')}
  esac
}
complete -F _hearth hearth
`,
  zsh: (words) => `autoload -U +X bashcompinit && bashcompinit
${SCRIPTS.bash(words)}`,
  fish: (words) =>
    words
      .map(([path, list]) => {
        const condition =
          path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.split(' ').at(-1)}`;
        return `complete -c hearth -f -n '${condition}' -a '${list}'\n`;
      })
      .join(''),
};
