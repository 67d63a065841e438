//! An archive as the SQL that `pg_restore` would send, entry by entry.
//!
//! `pg_restore` sends one statement after the other and commits each; who has the texts can send many at once. They stay in
//! a file: an archive of ten thousand tables is larger than all that we otherwise hold in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::archive::list_file;
use super::lex::end_of_quoted;
use super::process::ToolCommand;
use super::{ClientTools, ToolError};

/// The SQL of some entries of an archive.
#[derive(Debug)]
pub struct SqlFile {
    file: File,
    pieces: Vec<Piece>,
    /// Each once: an archive has few.
    settings: Vec<String>,
}

/// One entry's SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The entry.
    pub dump_id: u32,
    /// Entries that it needs, some of them more than once.
    pub needs: Vec<u32>,
    offset: u64,
    length: usize,
    /// Of [`SqlFile::settings`], those in force when the entry begins.
    settings: usize,
}

impl Piece {
    /// Its part of the text that it was found in.
    pub(super) fn within<'a>(&self, text: &'a str) -> &'a str {
        let from = usize::try_from(self.offset).unwrap_or(usize::MAX);
        text.get(from..from.saturating_add(self.length)).unwrap_or_default()
    }
}

impl SqlFile {
    /// Writes the SQL of those entries of `archive` that are in `list`, the text of [`Toc::write_list`](super::Toc::write_list), to `path`.
    /// Statements that give objects to their owners are left out with `no_owner`.
    ///
    /// # Errors
    /// When pg_restore cannot be started, fails or is cancelled, or when the file cannot be read.
    pub async fn write(
        tools: &ClientTools,
        archive: &Path,
        list: &str,
        no_owner: bool,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<Self, ToolError> {
        let list = list_file(list).map_err(ToolError::List)?;
        // Only with --verbose comments say which entry follows.
        let mut command = ToolCommand::new(&tools.pg_restore)
            .arg("--verbose")
            .arg("--no-tablespaces")
            .option("--file", path)
            .option("--use-list", list.path());
        if no_owner {
            command = command.arg("--no-owner");
        }
        command.arg(archive).output(cancel).await?;
        Self::open(path).map_err(|source| ToolError::Lost { program: tools.pg_restore.clone(), source })
    }

    fn open(path: &Path) -> io::Result<Self> {
        let (pieces, settings) = divide(&std::fs::read(path)?);
        Ok(Self { file: File::open(path)?, pieces, settings })
    }

    /// The entries in the order of the archive.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// What creates `pieces`, one after the other, in a session that has our settings; `None` when it is not in UTF-8.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn text<'a>(&self, pieces: impl IntoIterator<Item = &'a Piece>) -> io::Result<Option<String>> {
        let mut text = Vec::new();
        let mut settings = None;
        for piece in pieces {
            if settings.replace(piece.settings) != Some(piece.settings) {
                text.extend_from_slice(self.settings[piece.settings].as_bytes());
            }
            let from = text.len();
            text.resize(from + piece.length, 0);
            self.file.read_exact_at(&mut text[from..], piece.offset)?;
        }
        Ok(String::from_utf8(text).ok())
    }
}

/// Finds the entries. A comment counts only outside of everything quoted: function bodies may hold the like.
pub(super) fn divide(text: &[u8]) -> (Vec<Piece>, Vec<String>) {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut all_settings = vec![String::new()];
    let mut in_force: Vec<(String, String)> = Vec::new();
    let mut end = None;
    let mut at = 0;
    while at < text.len() {
        let begins_line = at == 0 || text[at - 1] == b'\n';
        if begins_line && text[at..].starts_with(b"-- TOC entry ") {
            close(&mut pieces, end.take().unwrap_or(at));
            let header = read_header(&text[at..]);
            if let Some((dump_id, needs, length)) = header {
                let settings: String = in_force.iter().map(|(_, statement)| statement.as_str()).collect();
                let settings = all_settings.iter().position(|known| *known == settings).unwrap_or_else(|| {
                    all_settings.push(settings);
                    all_settings.len() - 1
                });
                at += length;
                pieces.push(Piece { dump_id, needs, offset: at as u64, length: 0, settings });
                continue;
            }
        }
        // Commands of psql around the whole.
        if begins_line && text[at] == b'\\' {
            end.get_or_insert(at);
        }
        if begins_line && let Some((name, length)) = session_setting(&text[at..]) {
            let statement = String::from_utf8_lossy(&text[at..at + length]).into_owned();
            in_force.retain(|(known, _)| *known != name);
            in_force.push((name, statement));
            at += length;
            continue;
        }
        at = end_of_quoted(text, at).unwrap_or(at + 1);
    }
    close(&mut pieces, end.unwrap_or(text.len()));
    (pieces, all_settings)
}

/// The last piece ends at `end`.
fn close(pieces: &mut [Piece], end: usize) {
    if let Some(last) = pieces.last_mut() {
        last.length = end.saturating_sub(usize::try_from(last.offset).unwrap_or(usize::MAX));
    }
}

/// Dump id, needed entries, and the length of the comment.
fn read_header(text: &[u8]) -> Option<(u32, Vec<u32>, usize)> {
    let mut lines = text.split_inclusive(|&byte| byte == b'\n').take_while(|line| line.starts_with(b"--"));
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let dump_id = first.strip_prefix("-- TOC entry ")?.split(' ').next()?.parse().ok()?;
    let mut length = first.len();
    let mut needs = Vec::new();
    for line in lines {
        length += line.len();
        if let Some(ids) = line.strip_prefix(b"-- Dependencies: ") {
            let ids = std::str::from_utf8(ids).ok()?;
            needs = ids.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect();
        }
    }
    Some((dump_id, needs, length))
}

/// `SET default_… = …;` as pg_dump writes it before a table: the setting, and the length of the line.
fn session_setting(text: &[u8]) -> Option<(String, usize)> {
    let rest = text.strip_prefix(b"SET default_")?;
    let length = text.iter().position(|&byte| byte == b'\n')? + 1;
    let name = rest.split(|&byte| byte == b' ').next()?;
    Some((String::from_utf8_lossy(name).into_owned(), length))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const SCRIPT: &str = r#"--
-- PostgreSQL database dump
--

\restrict x

-- Dumped from database version 15.18
SET statement_timeout = 0;

--
-- TOC entry 224 (class 1255 OID 16425)
-- Name: f(); Type: FUNCTION; Schema: public; Owner: postgres
-- Data Pos: 0
--

CREATE FUNCTION "public"."f"() RETURNS integer
    LANGUAGE "sql"
    AS $$select 1;
--
-- TOC entry 216 (class 1259 OID 16406)
--
SET default_table_access_method = evil;
\unrestrict x
select 2$$;


SET default_table_access_method = heap;

--
-- TOC entry 215 (class 1259 OID 16406)
-- Dependencies: 3 224 3
-- Name: a; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE "public"."a" ();


--
-- TOC entry 3235 (class 2606 OID 16414)
-- Name: x; Type: COMMENT
--

COMMENT ON TABLE "public"."a" IS '
--
-- TOC entry 9 (class 0 OID 0)
';


-- Completed on 2026-11-21 12:34:25 UTC

--
-- PostgreSQL database dump complete
--

\unrestrict x

"#;

    fn open(text: &[u8]) -> SqlFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        SqlFile::open(file.path()).unwrap()
    }

    #[test]
    fn entries_are_told_apart_whatever_a_function_body_holds() {
        let file = open(SCRIPT.as_bytes());
        let ids: Vec<_> = file.pieces().iter().map(|piece| piece.dump_id).collect();
        assert_eq!(ids, [224, 215, 3235]);
        assert_eq!(file.pieces()[1].needs, [3, 224, 3]);
        let text = |piece: usize| file.text([&file.pieces()[piece]]).unwrap().unwrap();
        assert!(text(0).contains("= evil;\n\\unrestrict x\nselect 2$$;"), "{}", text(0));
        assert!(text(2).contains("entry 9 (class 0 OID 0)\n';"), "{}", text(2));
        assert!(!text(2).contains("unrestrict"), "{}", text(2));
    }

    #[test]
    fn an_entry_alone_brings_the_settings_that_it_was_written_under() {
        let file = open(SCRIPT.as_bytes());
        let [function, table, comment] = file.pieces() else { panic!("{:?}", file.pieces()) };
        let set = "SET default_table_access_method = heap;\n";
        let alone = file.text([table]).unwrap().unwrap();
        assert!(alone.starts_with(set) && alone.contains("CREATE TABLE"), "{alone}");
        let together = file.text([table, comment]).unwrap().unwrap();
        assert_eq!(together.matches(set).count(), 1, "{together}");
        assert!(!file.text([function]).unwrap().unwrap().starts_with("SET"));
    }

    #[test]
    fn text_in_another_encoding_is_not_passed_on() {
        let latin = SCRIPT.replace("select 2", "select X");
        let latin: Vec<u8> = latin.bytes().map(|byte| if byte == b'X' { 0xe9 } else { byte }).collect();
        let file = open(&latin);
        assert_eq!(file.text([&file.pieces()[0]]).unwrap(), None);
        assert!(file.text([&file.pieces()[1]]).unwrap().is_some());
    }
}
