//! TOML with its lines.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A TOML document; keys stand in the order of the file.
#[derive(Debug)]
pub(super) struct Document<'t> {
    text: &'t str,
    table: DeTable<'t>,
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'d, 't> {
    document: &'d Document<'t>,
    value: &'d DeValue<'t>,
    /// Line of the value, from 1.
    pub(super) line: u32,
}

impl<'t> Document<'t> {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// The line, and what is wrong with it.
    pub(super) fn parse(text: &'t str) -> Result<Self, (u32, String)> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self { text, table: table.into_inner() }),
            Err(error) => {
                let line = error.span().map_or(0, |span| line_at(text, span.start));
                Err((line, error.message().trim_end_matches('\n').replace('\n', ", ")))
            }
        }
    }

    /// The value under a key of the document itself.
    pub(super) fn get(&self, key: &str) -> Option<Node<'_, 't>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| self.node(value))
    }

    /// All keys of the document itself with their values, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, Node<'_, 't>)> {
        self.table.iter().map(|(name, value)| (&**name.get_ref(), self.node(value)))
    }

    fn node<'d>(&'d self, value: &'d Spanned<DeValue<'t>>) -> Node<'d, 't> {
        Node { document: self, value: value.get_ref(), line: line_at(self.text, value.span().start) }
    }
}

impl<'d> Node<'d, '_> {
    /// The value under a key.
    pub(super) fn get(self, key: &str) -> Option<Self> {
        let table = self.value.as_table()?;
        table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| self.document.node(value))
    }

    /// The value at the end of a path of keys.
    pub(super) fn path(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Keys and values of a table, in the order of the file; nothing where it is none.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'d str, Self)> {
        let document = self.document;
        // A table without a header of its own has no place; its key has one.
        self.value.as_table().into_iter().flat_map(|table| table.iter()).map(move |(name, value)| {
            let node = document.node(value);
            (&**name.get_ref(), Self { line: line_at(document.text, name.span().start), ..node })
        })
    }

    /// Items of an array; nothing where it is none.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let document = self.document;
        self.value.as_array().into_iter().flat_map(|array| array.iter()).map(move |value| document.node(value))
    }

    pub(super) fn is_table(self) -> bool {
        self.value.is_table()
    }

    pub(super) fn str(self) -> Option<&'d str> {
        self.value.as_str()
    }

    pub(super) fn bool(self) -> Option<bool> {
        self.value.as_bool()
    }

    /// An integer, as far as it fits.
    pub(super) fn integer(self) -> Option<i64> {
        let integer = self.value.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// One string or an array of strings, each with its line; `None`: it is something else.
    pub(super) fn strings(self) -> Option<Vec<(&'d str, u32)>> {
        if let Some(one) = self.str() {
            return Some(vec![(one, self.line)]);
        }
        self.value.as_array()?;
        self.items().map(|item| Some((item.str()?, item.line))).collect()
    }

    /// What kind of value it is, in words.
    pub(super) fn kind(self) -> &'static str {
        self.value.type_str()
    }
}

/// The line of a byte, from 1.
pub(super) fn line_at(text: &str, byte: usize) -> u32 {
    let before = text.as_bytes().get(..byte).unwrap_or(text.as_bytes());
    u32::try_from(memchr::memchr_iter(b'\n', before).count() + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn values_know_their_lines_and_keys_their_order() {
        let text = "a = 1\n[z]\nb = \"x\"\n\n[c.\"d:1\"]\ne = ['y',\n 'w']\n[c.a]\n";
        let document = Document::parse(text).unwrap();
        assert_eq!(document.get("z").and_then(|z| z.get("b")).map(|b| (b.str(), b.line)), Some((Some("x"), 3)));
        let tables: Vec<_> = document.get("c").unwrap().entries().map(|(name, node)| (name, node.line)).collect();
        assert_eq!(tables, [("d:1", 5), ("a", 8)]);
        let list = document.get("c").unwrap().path(&["d:1", "e"]).unwrap();
        assert_eq!(list.strings().unwrap(), [("y", 6), ("w", 7)]);
    }

    #[test]
    fn an_error_has_a_line() {
        assert_eq!(Document::parse("a = 1\nb = [\n").unwrap_err().0, 2);
        assert_eq!(Document::parse("a = 1\na = 2\n").unwrap_err().0, 2);
    }
}
