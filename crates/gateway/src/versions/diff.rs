//! What differs between two files, model by model and field by field.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::{Table, Value};

use crate::ModelFile;

/// What becomes of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelChangeKind {
    Added,
    Removed,
    Changed,
}

/// A model that is another than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ModelChange {
    pub model: String,
    pub kind: ModelChangeKind,
    pub fields: Vec<ModelField>,
}

/// A field that is another than before, as it is written in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ModelField {
    pub field: String,
    #[schema(required)]
    pub before: Option<String>,
    #[schema(required)]
    pub after: Option<String>,
}

/// What changes from one file to the other; comments and the order of models don't count.
pub(super) fn between(before: &ModelFile, after: &ModelFile) -> Vec<ModelChange> {
    let (before, after) = (models(before), models(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let change = |name: &String| {
        let (old, new) = (before.get(name), after.get(name));
        let fields = fields(old, new);
        let kind = match (old, new) {
            (None, _) => ModelChangeKind::Added,
            (_, None) => ModelChangeKind::Removed,
            _ if fields.is_empty() => return None,
            _ => ModelChangeKind::Changed,
        };
        Some(ModelChange {
            model: name.clone(),
            kind,
            fields,
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn fields(old: Option<&Table>, new: Option<&Table>) -> Vec<ModelField> {
    let keys = old.into_iter().chain(new).flat_map(Table::keys);
    let mut keys: Vec<&String> = keys.filter(|key| *key != "name").collect();
    keys.sort();
    keys.dedup();
    let written = |of: Option<&Table>, key: &str| of?.get(key).map(ToString::to_string);
    let field = |key: &String| ModelField {
        field: key.clone(),
        before: written(old, key),
        after: written(new, key),
    };
    let fields = keys.into_iter().map(field);
    fields.filter(|field| field.before != field.after).collect()
}

fn models(file: &ModelFile) -> BTreeMap<String, Table> {
    let table: Table = toml::from_str(file.text()).unwrap_or_default();
    let listed = table.get("model").and_then(Value::as_array);
    let models = listed.into_iter().flatten().filter_map(Value::as_table);
    models
        .filter_map(|model| {
            let name = model.get("name")?.as_str()?;
            Some((name.to_owned(), model.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ModelFile {
        ModelFile::parse(text).unwrap()
    }

    const TARGETS: &str = "targets = [{ provider = \"p\", model = \"m\" }]";

    #[test]
    fn only_what_differs_is_told() {
        let before = file(&format!(
            "[[model]]\nname = \"a\"\n{TARGETS}\n[[model]]\nname = \"b\"\nalias_of = \"a\"\ncanary = {{ model = \"a2\", percent = 5 }}\n[[model]]\nname = \"a2\"\n{TARGETS}"
        ));
        let after = file(&format!(
            "# another order\n[[model]]\nname = \"b\"\nalias_of = \"a\"\ncanary = {{ model = \"a2\", percent = 50 }}\n[[model]]\nname = \"a2\"\n{TARGETS}\n[[model]]\nname = \"c\"\n{TARGETS}\n[[model]]\nname = \"a\"\n{TARGETS}"
        ));
        let told = between(&before, &after);
        let kinds: Vec<_> = told
            .iter()
            .map(|one| (one.model.as_str(), one.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("b", ModelChangeKind::Changed),
                ("c", ModelChangeKind::Added)
            ]
        );
        let field = &told[0].fields[0];
        assert_eq!((told[0].fields.len(), field.field.as_str()), (1, "canary"));
        assert!(field.before.as_ref().unwrap().contains("percent = 5"));
        assert!(field.after.as_ref().unwrap().contains("percent = 50"));
        assert_eq!(between(&before, &before), []);
        assert_eq!(between(&after, &before)[1].kind, ModelChangeKind::Removed);
    }
}
