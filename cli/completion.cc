#include "completion.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "control_place.h"
#include "exit_codes.h"

namespace noex_cli {
namespace {

// What stands behind an option.
enum class Value { None, Words, File, Node, Unknown };

struct Option {
  std::vector<std::string> names;  // "--json"; empty: an argument without a name
  std::string description;
  std::string type;
  Value value = Value::None;
  std::vector<std::string> words;
  bool repeatable = false;
};

struct Verb {
  std::string name;
  std::string description;
  std::vector<Option> options;
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Option option_of(const CLI::Option& described) {
  Option option;
  for (const std::string& name : described.get_lnames()) option.names.push_back("--" + name);
  for (const std::string& name : described.get_snames()) option.names.push_back("-" + name);
  option.description = described.get_description();
  option.repeatable = described.get_expected_max() > 1;
  if (described.get_expected_min() == 0 || described.get_type_size() == 0) return option;
  const std::string type = described.get_type_name();  // "LEVEL:{debug,info}"
  option.type = type.substr(0, type.find(':'));
  const size_t open = type.find('{');
  const size_t close = type.rfind('}');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    option.value = Value::Words;
    option.words = split(std::string_view(type).substr(open + 1, close - open - 1));
  } else if (option.type == "FILE" || option.type == "PATH") {
    option.value = Value::File;
  } else {
    option.value = option.type == "NODE" ? Value::Node : Value::Unknown;
  }
  return option;
}

// What the help does not show, the completions do not offer.
std::vector<Option> options_of(const CLI::App& app) {
  std::vector<Option> options;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) options.push_back(option_of(*option));
  }
  return options;
}

std::vector<Verb> verbs_of(const CLI::App& app) {
  std::vector<Verb> verbs;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!verb->get_group().empty()) verbs.push_back({verb->get_name(), verb->get_description(), options_of(*verb)});
  }
  return verbs;
}

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// In single quotes, as all three shells read them.
std::string in_quotes(std::string_view text, std::string_view escaped = "", const char* quote = "'\\''") {
  std::string out = "'";
  for (const char byte : text) {
    if (byte == '\'') {
      out += quote;
      continue;
    }
    if (escaped.find(byte) != std::string_view::npos) out += '\\';
    out += byte;
  }
  return out + "'";
}

// ------------------------------------------------------------------------------------------------------------- bash

std::string bash_value_cases(const Verb& verb) {
  std::string cases;
  for (const Option& option : verb.options) {
    if (option.value == Value::None || option.names.empty()) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : option.names) patterns.push_back(verb.name + ":" + name);
    cases += "    " + joined(patterns, " | ") + ")";
    if (option.value == Value::Words) {
      cases += " words=" + in_quotes(joined(option.words)) + " ;;\n";
    } else if (option.value == Value::File) {
      cases += " files=1 ;;\n";
    } else {
      cases += " return ;;\n";
    }
  }
  return cases;
}

std::string bash_words(const Verb& verb) {
  std::vector<std::string> words;
  std::string more;
  for (const Option& option : verb.options) {
    words.insert(words.end(), option.names.begin(), option.names.end());
    if (!option.names.empty()) continue;
    words.insert(words.end(), option.words.begin(), option.words.end());
    if (option.value == Value::Node) more = " $(\"${COMP_WORDS[0]}\" completion nodes 2>/dev/null)";
  }
  return "\"" + joined(words) + more + "\"";
}

std::string bash_script(const CLI::App& app) {
  const std::vector<Verb> verbs = verbs_of(app);
  std::vector<std::string> names;
  std::string value_cases;
  std::string word_cases;
  for (const Verb& verb : verbs) {
    names.push_back(verb.name);
    value_cases += bash_value_cases(verb);
    word_cases += "      " + verb.name + ") words=" + bash_words(verb) + " ;;\n";
  }
  const Verb top{"", "", options_of(app)};
  std::string script = R"(# bash completion of noex-cluster, made by `noex-cluster completion bash`
_noex_cluster() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' words='' files='' word
  # --option=value is three words to bash
  if [[ $current == = ]]; then
    current=''
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
    case $word in
      @VERBS@)
        verb=$word
        break
        ;;
    esac
  done
  COMPREPLY=()
  case $verb:$previous in
@VALUES@    *)
      case $verb in
@WORDS@      *) words="@TOP@" ;;
      esac
      ;;
  esac
  if [[ $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -F _noex_cluster noex-cluster
)";
  const auto put = [&script](const std::string& place, const std::string& text) {
    script.replace(script.find(place), place.size(), text);
  };
  std::string top_words = bash_words(top);
  put("@VERBS@", joined(names, " | "));
  put("@VALUES@", value_cases);
  put("@WORDS@", word_cases);
  put("@TOP@", joined(names) + " " + top_words.substr(1, top_words.size() - 2));
  return script;
}

// -------------------------------------------------------------------------------------------------------------- zsh

std::string zsh_action(const Option& option) {
  switch (option.value) {
    case Value::Words:
      return "(" + joined(option.words) + ")";
    case Value::File:
      return "_files";
    case Value::Node:
      return "($(_call_program nodes noex-cluster completion nodes 2>/dev/null))";
    default:
      return "";
  }
}

std::string zsh_argument(const Option& option) {
  const std::string description = option.description;
  const std::string value = option.value == Value::None ? "" : ":" + option.type + ":" + zsh_action(option);
  if (option.names.empty()) return "    " + in_quotes("1:" + option.type + ":" + zsh_action(option));
  std::string lines;
  for (const std::string& name : option.names) {
    // Names of one option exclude each other.
    const std::string others = option.names.size() > 1 && !option.repeatable ? "(" + joined(option.names) + ")" : "";
    const std::string text = in_quotes((option.repeatable ? "*" : others) + name + (value.empty() ? "" : "=") + "[") +
                             in_quotes(description, "[]:\\") + in_quotes("]" + value);
    lines += (lines.empty() ? "" : " \\\n") + ("    " + text);
  }
  return lines;
}

std::string zsh_script(const CLI::App& app) {
  std::string verbs;
  std::string cases;
  for (const Verb& verb : verbs_of(app)) {
    verbs += "      " + in_quotes(verb.name + ":" + verb.description) + "\n";
    std::string arguments;
    for (const Option& option : verb.options) arguments += " \\\n    " + zsh_argument(option);
    cases += "    " + verb.name + ")\n      _arguments -s" + arguments + " && result=0\n      ;;\n";
  }
  std::string top;
  for (const Option& option : options_of(app)) top += " \\\n" + zsh_argument(option);
  return "#compdef noex-cluster\n# zsh completion of noex-cluster, made by `noex-cluster completion zsh`\n"
         "_noex-cluster() {\n"
         "  local state line result=1\n  typeset -A opt_args\n"
         "  _arguments -C" +
         top +
         " \\\n    '1:verb:->verb' '*::argument:->rest' && result=0\n"
         "  case $state in\n"
         "  verb)\n    local -a verbs=(\n" +
         verbs +
         "    )\n    _describe -t verbs verb verbs && result=0\n    ;;\n"
         "  rest)\n    case $words[1] in\n" +
         cases +
         "    esac\n    ;;\n  esac\n  return result\n}\n"
         "if [[ ${funcstack[1]} == _noex-cluster ]]; then\n  _noex-cluster \"$@\"\nelse\n"
         "  compdef _noex-cluster noex-cluster\nfi\n";
}

// ------------------------------------------------------------------------------------------------------------- fish

std::string fish_option(const std::string& condition, const Option& option) {
  std::string line = "complete -c noex-cluster -n " + in_quotes(condition);
  for (const std::string& name : option.names) {
    const bool is_long = name.starts_with("--");
    line += (is_long ? " -l " : " -s ") + name.substr(is_long ? 2 : 1);
  }
  if (option.value == Value::Words) {
    line += (option.names.empty() ? " -a " : " -x -a ") + in_quotes(joined(option.words));
  } else if (option.value == Value::File) {
    line += " -r -F";
  } else if (option.value == Value::Node) {
    line += " -a '(noex-cluster completion nodes 2>/dev/null)'";
  } else if (option.value == Value::Unknown) {
    if (option.names.empty()) return {};
    line += " -x";
  }
  return line + " -d " + in_quotes(option.description, "\\", "\\'") + "\n";
}

std::string fish_script(const CLI::App& app) {
  std::string script =
      "# fish completion of noex-cluster, made by `noex-cluster completion fish`\n"
      "complete -c noex-cluster -f\n";
  for (const Option& option : options_of(app)) script += fish_option("__fish_use_subcommand", option);
  for (const Verb& verb : verbs_of(app)) {
    script += "complete -c noex-cluster -n __fish_use_subcommand -a " + verb.name + " -d " +
              in_quotes(verb.description, "\\", "\\'") + "\n";
    for (const Option& option : verb.options) {
      script += fish_option("__fish_seen_subcommand_from " + verb.name, option);
    }
  }
  return script;
}

std::string node_names() {
  std::string names;
  for (const FoundSocket& socket : find_control_sockets()) {
    // Into a shell's list of words go names alone.
    const bool plain = socket.name.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == std::string::npos;
    if (plain) names += socket.name + "\n";
  }
  return names;
}

}  // namespace

int complete(const CLI::App& app, const std::string& shell) {
  const std::string text = shell == "nodes"  ? node_names()
                           : shell == "bash" ? bash_script(app)
                           : shell == "zsh"  ? zsh_script(app)
                                             : fish_script(app);
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written ? kSuccess : kFailure;
}

}  // namespace noex_cli
