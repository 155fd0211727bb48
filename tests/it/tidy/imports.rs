//! Which file of the engine imports which, read from its text.
//!
//! A path is followed to the module it names, whether it stands in a `use` or in the code, begins with `crate`, `super` or `self`,
//! with a module that was imported by its name, or with a child. To name a module alone is no import: what is taken from it is. So are
//! no imports the `mod` lines, and what only tests take.

use std::collections::{BTreeMap, BTreeSet};

/// The files a file imports from.
pub type Imports = BTreeMap<String, BTreeSet<String>>;

type Module = Vec<String>;

/// The modules of a crate, by their paths from its root, with their files.
type Modules<'a> = BTreeMap<Module, &'a str>;

/// The imports of all files, from their paths below `src` and their texts.
pub fn of(sources: &[(String, String)]) -> Imports {
    let modules: Modules<'_> = sources.iter().map(|(file, _)| (module_of(file), file.as_str())).collect();
    let engine = sources.iter().filter(|(file, _)| !file.ends_with("tests.rs") && file != "main.rs" && file != "lib.rs");
    engine.map(|(file, text)| (file.clone(), of_file(file, text, &modules))).collect()
}

fn module_of(file: &str) -> Module {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { Module::new() } else { path.split('/').map(str::to_owned).collect() }
}

fn of_file(file: &str, text: &str, modules: &Modules<'_>) -> BTreeSet<String> {
    let own = module_of(file);
    let mut named: BTreeMap<String, Module> = BTreeMap::new();
    let mut paths: Vec<Module> = Vec::new();
    let mut code = String::new();
    let mut rest = text.split("\nmod tests {").next().unwrap_or_default();
    while let Some(at) = begin_of_use(rest) {
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
        code.push_str(&rest[..at]);
        for (path, name) in leaves(&[], &rest[at + "use ".len()..end]) {
            match absolute(&path, &own, &named, modules) {
                Some(path) if modules.contains_key(&path) => drop(named.insert(name, path)),
                found => paths.extend(found),
            }
        }
        rest = &rest[end..];
    }
    code.push_str(rest);
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').filter(|word| word.contains("::"));
    let in_code = words.map(|word| word.split("::").map(str::to_owned).collect::<Module>());
    paths.extend(in_code.filter_map(|path| absolute(&path, &own, &named, modules)));
    let files = paths.iter().filter_map(|path| (1..=path.len()).rev().find_map(|length| modules.get(&path[..length])));
    files.filter(|found| **found != file).map(|found| (*found).to_owned()).collect()
}

/// Where the next `use` stands that begins a line, but for its visibility.
fn begin_of_use(text: &str) -> Option<usize> {
    let begins = |at: usize| {
        let line = text[..at].rsplit('\n').next().unwrap_or_default().trim();
        line.is_empty() || line == "pub" || (line.starts_with("pub(") && line.ends_with(')'))
    };
    text.match_indices("use ").map(|(at, _)| at).find(|at| begins(*at))
}

/// All paths of a tree of imports, each with the name by which it is known.
fn leaves(prefix: &[String], tree: &str) -> Vec<(Module, String)> {
    let parts =
        |text: &str| text.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect::<Module>();
    let Some((head, body)) = tree.split_once('{') else {
        let (whole, alias) =
            tree.split_once(" as ").map_or((tree, None), |(whole, alias)| (whole, Some(alias.trim().to_owned())));
        let mut path = [prefix, &parts(whole)].concat();
        // Behind something else, `self` is that.
        path.pop_if(|last| last == "self");
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        return vec![(path, name)];
    };
    let prefix = [prefix, &parts(head)].concat();
    let body = body.rsplit_once('}').map_or(body, |(body, _)| body);
    let (mut depth, mut begin, mut found) = (0, 0, Vec::new());
    for (at, character) in body.char_indices().chain([(body.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(
                    Some(&body[begin..at]).filter(|branch| !branch.trim().is_empty()).map(|branch| leaves(&prefix, branch)),
                );
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.concat()
}

/// A path from the crate's root; none for one of another crate.
fn absolute(path: &[String], own: &[String], named: &BTreeMap<String, Module>, modules: &Modules<'_>) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    let base = match first.as_str() {
        "crate" => Module::new(),
        "self" => own.to_vec(),
        "super" => {
            let above = own.split_last()?.1;
            return match rest.first().map(String::as_str) {
                Some("super") => absolute(rest, above, named, modules),
                _ => Some([above, rest].concat()),
            };
        }
        name => match named.get(name) {
            Some(module) => module.clone(),
            None => Some([own, std::slice::from_ref(first)].concat()).filter(|child| modules.contains_key(child))?,
        },
    };
    Some([&base, rest].concat())
}
