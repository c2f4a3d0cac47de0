//! The environment variables that a client sees, as far as they are known.

use std::collections::BTreeMap;

/// Variables of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    known: BTreeMap<String, Result<String, String>>,
    unread: Option<String>,
}

/// What is known of one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// It is not set.
    Unset,
    /// Its value, which may be empty.
    Set(&'a str),
    /// It cannot be told, and why.
    Unknown(String),
}

impl Environment {
    /// An environment in which nothing is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.known.insert(name.to_owned(), Ok(value.to_owned()));
    }

    /// A variable that is set to something which is not known: a Secret's key, a reference to another variable.
    pub fn unknown(&mut self, name: &str, why: &str) {
        self.known.insert(name.to_owned(), Err(why.to_owned()));
    }

    /// Every variable that is not mentioned may be set: an `envFrom` that was not read.
    pub fn unread(&mut self, why: &str) {
        self.unread.get_or_insert_with(|| why.to_owned());
    }

    /// A variable. An empty value is a value.
    pub fn get(&self, name: &str) -> Variable<'_> {
        match self.known.get(name) {
            Some(Ok(value)) => Variable::Set(value),
            Some(Err(why)) => Variable::Unknown(format!("the value of {name} is not known: {why}")),
            None => self
                .unread
                .as_ref()
                .map_or(Variable::Unset, |why| Variable::Unknown(format!("{name} may be set by {why}"))),
        }
    }

    /// A variable that counts as unset when it is empty: what most programs do.
    pub fn filled(&self, name: &str) -> Variable<'_> {
        match self.get(name) {
            Variable::Set("") => Variable::Unset,
            other => other,
        }
    }

    /// A variable whose name the program takes in upper and in lower case, and as a mixture.
    pub fn any_case(&self, name: &str) -> Variable<'_> {
        let found = self.known.keys().find(|known| known.eq_ignore_ascii_case(name));
        self.filled(found.map_or(name, String::as_str))
    }

    /// Names and values that are known.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.known.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref().ok()?)))
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut environment = Self::new();
        for (name, value) in pairs {
            environment.set(name.as_ref(), value.as_ref());
        }
        environment
    }
}
