//! `sluice completions`: completion scripts for shells.

use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory as _, ValueHint};
use clap_complete::Shell;
use detection::SHIPPED_RULES;
use pipeline::SHIPPED_MAPPINGS;

use crate::exit::{Outcome, Verdict};
use crate::output::Output;

/// Print a completion script for a shell
///
/// The script completes commands and options. In bash, zsh and fish, it also completes files, the names of shipped
/// mappings, and the names of shipped rules.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice completions bash > ~/.local/share/bash-completion/completions/sluice
  sluice completions zsh > ~/.zfunc/_sluice
  sluice completions fish > ~/.config/fish/completions/sluice.fish")]
pub(crate) struct Completions {
    /// Shell to complete for
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let names = Names::shipped();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut with_names(crate::Cli::command(), &names), "sluice", &mut script);
        output.write(with_files(self.shell, &String::from_utf8_lossy(&script), &names))?;
        Ok(Verdict::Fine)
    }
}

/// What can be named beside files.
struct Names {
    mappings: Vec<String>,
    /// Folders of rules, and rules: `aws-cloudtrail/`, `aws-cloudtrail/root-use`.
    rules: Vec<String>,
}

impl Names {
    fn shipped() -> Self {
        let mut rules: Vec<String> = Vec::new();
        for (name, _) in SHIPPED_RULES {
            rules.extend(name.rsplit_once('/').map(|(folder, _)| format!("{folder}/")));
            rules.push(name.trim_end_matches(".yaml").to_owned());
        }
        rules.sort_unstable();
        rules.dedup();
        Self { mappings: SHIPPED_MAPPINGS.iter().map(|(name, _)| (*name).to_owned()).collect(), rules }
    }
}

/// The command with the names as values of the arguments that take them. Only completion asks for these: a parser with them
/// would refuse files.
fn with_names(command: Command, names: &Names) -> Command {
    let shows_mapping = command.get_name() == "show";
    let subcommands: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = subcommands
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, |subcommand| with_names(subcommand, names)));
    command.mut_args(|argument| {
        // With a hint that it is a file, the script for bash would offer files alone.
        let of = |argument: clap::Arg, names: &[String]| {
            argument.value_hint(ValueHint::Unknown).value_parser(PossibleValuesParser::new(names))
        };
        let takes_path = matches!(argument.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath);
        match argument.get_id().as_str() {
            "name" if shows_mapping => of(argument, &names.mappings),
            "mapping" | "configs" => of(argument, &names.mappings),
            "rules" if takes_path => of(argument, &names.rules),
            _ => argument,
        }
    })
}

/// The generated scripts offer nothing but the names. In bash files come when no name fits; zsh and fish are told.
fn with_files(shell: Shell, script: &str, names: &Names) -> String {
    match shell {
        Shell::Zsh => {
            let words = |names: &[String]| format!(":({})", names.join(" "));
            let script = script
                .replace(&words(&names.mappings), ":_sluice_mappings")
                .replace(&words(&names.rules), ":_sluice_rules");
            let function = |name: &str, words: &[String]| {
                let words = words.join(" ");
                format!(
                    "(( $+functions[{name}] )) ||\n{name}() {{\n    _alternative 'shipped:shipped:({words})' 'files:file:_files'\n}}\n\n"
                )
            };
            let functions = function("_sluice_mappings", &names.mappings) + &function("_sluice_rules", &names.rules);
            // The script ends with the lines that run or register it.
            match script.rfind("if [ \"$funcstack[1]\" = \"_sluice\" ]") {
                Some(end) => format!("{}{functions}{}", &script[..end], &script[end..]),
                None => script + &functions,
            }
        }
        Shell::Fish => {
            let is_named = |line: &str| {
                let first =
                    |name: Option<&str>| name.is_some_and(|name| line.contains(&format!("-r -f -a \"{name}\\t")));
                first(names.mappings.first().map(String::as_str)) || first(names.rules.first().map(String::as_str))
            };
            let lines = script.lines();
            let told = lines
                .map(|line| if is_named(line) { line.replacen("-r -f -a", "-r -F -a", 1) } else { line.to_owned() });
            told.collect::<Vec<_>>().join("\n") + "\n"
        }
        _ => script.to_owned(),
    }
}
