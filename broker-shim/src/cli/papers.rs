//! `corrente completion` and `corrente man`: what shells and `man` want to know of the command line.
//!
//! ```text
//! corrente completion bash > ~/.local/share/bash-completion/completions/corrente
//! corrente man ~/.local/share/man/man1
//! ```
//!
//! Kafka's tools are in both under their own names, from the same tables that they read their options by.

use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::Shell;
use corrente_tools::kafka::{TOOLS, Tool};
use corrente_tools::options::Arg as ToolArg;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `corrente completion`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionArgs {
    /// For which shell
    shell: Shell,
}

/// Arguments of `corrente man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Where the pages go; it is made if it does not exist
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

/// Writes a shell's script to `out`.
pub(super) fn completion(
    args: &CompletionArgs,
    mut cli: Command,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    // The generator expects its output to be taken: a closed pipe is found out here.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "corrente", &mut script);
    // zsh and PowerShell take one command a file.
    if matches!(args.shell, Shell::Bash | Shell::Fish | Shell::Elvish) {
        for tool in TOOLS {
            let name = format!("{}.sh", tool.spec.tool);
            clap_complete::generate(args.shell, &mut command_of(tool), name, &mut script);
        }
    }
    Ok(out.write_all(&script)?)
}

/// Writes a page for each command and each tool of Kafka's.
pub(super) fn man(args: &ManArgs, cli: Command) -> Result<(), Box<dyn Error>> {
    let dir = &args.dir;
    let cannot =
        |error| format!("cannot write to {}: {error}; name a directory that is yours", dir.display());
    fs::create_dir_all(dir).map_err(cannot)?;
    clap_mangen::generate_to(cli, dir).map_err(cannot)?;
    TOOLS.iter().try_for_each(|tool| page(tool, dir)).map_err(cannot)?;
    Ok(())
}

fn page(tool: &Tool, dir: &Path) -> std::io::Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command_of(tool)).render(&mut text)?;
    fs::write(dir.join(format!("{}.1", tool.spec.tool)), text)
}

/// A tool's options as clap has them: to be described, not to be parsed.
fn command_of(tool: &Tool) -> Command {
    let command = Command::new(tool.spec.tool)
        .about(tool.spec.about)
        .disable_help_flag(true)
        .disable_version_flag(true);
    tool.spec.all().fold(command, |command, opt| {
        let mut names = opt.names.iter().copied();
        let first = names.next().unwrap_or_default();
        let arg = match first.len() {
            1 => Arg::new(first).short(first.chars().next().unwrap_or_default()),
            _ => Arg::new(first).long(first),
        };
        let arg = names.fold(arg, |arg, name| match name.len() {
            1 => arg.visible_short_alias(name.chars().next().unwrap_or_default()),
            _ => arg.visible_alias(name),
        });
        let arg = match opt.arg {
            ToolArg::None => arg.action(ArgAction::SetTrue),
            ToolArg::Required(what) => arg.action(ArgAction::Append).value_name(what),
            ToolArg::Optional(what) => arg.action(ArgAction::Append).num_args(0..=1).value_name(what),
        };
        let arg = match first {
            "config" | "command-config" | "offset-json-file" => arg.value_hint(ValueHint::FilePath),
            _ => arg,
        };
        command.arg(arg.help(opt.help))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn every_tool_can_be_described() {
        for tool in TOOLS {
            command_of(tool).debug_assert();
        }
    }

    #[test]
    fn scripts_know_our_commands_and_kafka_s_options() {
        let mut script = Vec::new();
        completion(&CompletionArgs { shell: Shell::Bash }, Cli::command(), &mut script).unwrap();
        let script = String::from_utf8(script).unwrap();
        for word in ["corrente__subcmd__topics", "kafka-topics.sh", "--under-replicated-partitions"] {
            assert!(script.contains(word), "{word}");
        }
    }

    #[test]
    fn every_command_and_tool_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let pages = dir.path().join("man1");
        man(&ManArgs { dir: pages.clone() }, Cli::command()).unwrap();
        for name in ["corrente.1", "corrente-server.1", "corrente-topics.1", "kafka-topics.1"] {
            assert!(fs::metadata(pages.join(name)).unwrap().len() > 200, "{name}");
        }
        let file = pages.join("corrente.1");
        let error = man(&ManArgs { dir: file }, Cli::command()).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot write to ") && error.ends_with("name a directory that is yours"),
            "{error}"
        );
    }
}
