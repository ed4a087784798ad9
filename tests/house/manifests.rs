//! The few lines of a `Cargo.toml` that the rules look at.

/// A dependency and the line it stands on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) line: usize,
    pub(crate) name: String,
}

/// What stands under `[dependencies]` and its platform variants; tests may use what they like.
pub(crate) fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table == "dependencies" || table.ends_with(".dependencies");
            // `[dependencies.name]` is a dependency by itself.
            if let Some(name) = table.strip_prefix("dependencies.") {
                found.push(Dependency {
                    line: index + 1,
                    name: name.to_owned(),
                });
            }
        } else if inside && line.starts_with(|c: char| c.is_alphabetic()) {
            let name = line.split(['.', '=', ' ']).next().unwrap_or(line);
            found.push(Dependency {
                line: index + 1,
                name: name.to_owned(),
            });
        }
    }
    found
}

/// The members of a workspace.
pub(crate) fn members(text: &str) -> Vec<String> {
    let list = text.split_once("members = [").map_or("", |(_, rest)| rest);
    let list = list.split_once(']').map_or("", |(list, _)| list);
    let quoted = list.split('"').skip(1).step_by(2);
    quoted.map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_told_from_the_rest() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = { path = \"b\" }\n\
                    # c\n[dependencies.d]\npath = \"d\"\n[dev-dependencies]\ne = \"1\"\n";
        let names: Vec<_> = dependencies(text)
            .into_iter()
            .map(|d| (d.line, d.name))
            .collect();
        let expected = [(4, "a"), (5, "b"), (7, "d")];
        assert_eq!(names, expected.map(|(line, name)| (line, name.to_owned())));
    }

    #[test]
    fn members_are_read() {
        assert_eq!(
            members("[workspace]\nmembers = [\n \"a\",\n \"b\",\n]\nexclude = [\"c\"]"),
            ["a", "b"]
        );
    }
}
