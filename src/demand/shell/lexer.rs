//! The words of a script: quotes, separators, substitutions and here-documents of the POSIX shell.

/// Splits a script into simple commands, each a list of words.
pub(super) struct Lexer<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    commands: Vec<Vec<String>>,
    words: Vec<String>,
    word: Option<String>,
    heredocs: Vec<String>,
    depth: u8,
    /// Nothing makes a command depend on another's failure, or run in a shell of its own.
    plain: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(script: &'a str) -> Self {
        Self {
            chars: script.chars().peekable(),
            commands: Vec::new(),
            words: Vec::new(),
            word: None,
            heredocs: Vec::new(),
            depth: 0,
            plain: true,
        }
    }

    /// The commands, and whether they are a plain list: each is run, in order, in one shell.
    pub(super) fn commands(mut self) -> (Vec<Vec<String>>, bool) {
        while let Some(c) = self.chars.next() {
            match c {
                '\'' => self.quoted('\''),
                '"' => self.quoted('"'),
                '\\' => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '#' if self.word.is_none() => while self.chars.next_if(|c| *c != '\n').is_some() {},
                '<' if self.chars.next_if_eq(&'<').is_some() => self.heredoc(),
                '\n' => {
                    self.end_command();
                    self.skip_heredocs();
                }
                ';' | '|' | '&' | '(' | ')' => {
                    // `>&2` and `&>file` redirect; they end no command.
                    let redirects = c == '&'
                        && (self.word.as_deref().is_some_and(|w| w.ends_with('>')) || self.chars.peek() == Some(&'>'));
                    // `||`, a command in the background, a subshell, a function.
                    let is_double = self.chars.peek() == Some(&c);
                    let is_plain = match c {
                        '&' => is_double || redirects,
                        '|' => !is_double,
                        _ => c == ';',
                    };
                    self.plain &= is_plain;
                    if c == '&' && is_double && !redirects {
                        self.chars.next();
                    }
                    if redirects { self.push(c) } else { self.end_command() }
                }
                '$' if self.chars.peek() == Some(&'{') => {
                    self.push(c);
                    while let Some(c) = self.chars.next() {
                        self.push(c);
                        if c == '}' {
                            break;
                        }
                    }
                }
                '$' if self.chars.next_if_eq(&'(').is_some() => self.substitution(')'),
                '`' => self.substitution('`'),
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command();
        (self.commands, self.plain)
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn quoted(&mut self, quote: char) {
        self.word.get_or_insert_default();
        while let Some(c) = self.chars.next() {
            match c {
                c if c == quote => return,
                '\\' if quote == '"' => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '$' if quote == '"' && self.chars.next_if_eq(&'(').is_some() => self.substitution(')'),
                '`' if quote == '"' => self.substitution('`'),
                c => self.push(c),
            }
        }
    }

    /// `$(…)` and backquotes: commands of their own, whose output is part of the word.
    fn substitution(&mut self, end: char) {
        let mut script = String::new();
        let mut open = 0u32;
        let mut quote = None;
        for c in self.chars.by_ref() {
            match (c, quote) {
                (c, None) if c == end && open == 0 => break,
                ('(', None) => open += 1,
                (')', None) => open = open.saturating_sub(1),
                ('\'' | '"', None) => quote = Some(c),
                (c, Some(q)) if c == q => quote = None,
                _ => {}
            }
            script.push(c);
        }
        self.word.get_or_insert_default().push_str("$(");
        self.word.get_or_insert_default().push_str(&script);
        self.push(')');
        self.depth += 1;
        if self.depth < 8 {
            let mut inner = Lexer::new(&script);
            inner.depth = self.depth;
            self.commands.extend(inner.commands().0);
        }
        self.depth -= 1;
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            self.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }

    /// The text after `<<` is no command; it begins on the next line.
    fn heredoc(&mut self) {
        self.end_word();
        if self.chars.next_if_eq(&'<').is_some() {
            return; // a here-string
        }
        self.chars.next_if_eq(&'-');
        while self.chars.next_if(|c| *c == ' ').is_some() {}
        let mut delimiter = String::new();
        while let Some(c) = self.chars.next_if(|c| !c.is_whitespace() && !matches!(c, ';' | '&' | '|' | ')')) {
            if !matches!(c, '\'' | '"' | '\\') {
                delimiter.push(c);
            }
        }
        self.heredocs.push(delimiter);
    }

    fn skip_heredocs(&mut self) {
        for delimiter in std::mem::take(&mut self.heredocs) {
            loop {
                let mut line = String::new();
                while let Some(c) = self.chars.next_if(|c| *c != '\n') {
                    line.push(c);
                }
                let ended = self.chars.next().is_none();
                if ended || line.trim() == delimiter {
                    break;
                }
            }
        }
    }
}
