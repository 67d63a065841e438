//! An archive as the SQL that `pg_restore` would send, entry by entry.
//!
//! `pg_restore` sends one statement after the other and commits each; who has the texts can send many at once. They stay in
//! a file: an archive of ten thousand tables is larger than all that we otherwise hold in memory.

use std::fs::File;
use std::io::{self, Read};
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
        let list = list_file(archive, list).map_err(ToolError::List)?;
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
        let file = File::open(path)?;
        let Division { pieces, all_settings, .. } = Division::of(&file, CHUNK)?;
        Ok(Self { file, pieces, settings: all_settings })
    }

    /// The entries in the order of the archive.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// What a piece says, without the settings in force; `None` when it is not in UTF-8.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn definition(&self, piece: &Piece) -> io::Result<Option<String>> {
        let mut text = Vec::new();
        self.append(piece, &mut text)?;
        Ok(String::from_utf8(text).ok())
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
            self.append(piece, &mut text)?;
        }
        Ok(String::from_utf8(text).ok())
    }

    fn append(&self, piece: &Piece, text: &mut Vec<u8>) -> io::Result<()> {
        let from = text.len();
        text.resize(from + piece.length, 0);
        self.file.read_exact_at(&mut text[from..], piece.offset)
    }
}

/// Bytes of a file that are read at once, at least.
const CHUNK: usize = 1 << 20;

/// More bytes than tell what begins: a comment, or the tag of a body, which pg_dump keeps short.
const LOOK_AHEAD: usize = 256;

/// Finds the entries. A comment counts only outside of everything quoted: function bodies may hold the like.
#[derive(Default)]
struct Division {
    pieces: Vec<Piece>,
    all_settings: Vec<String>,
    /// By name.
    in_force: Vec<(String, String)>,
    /// Where the last piece ends, if that is before the next one begins.
    end: Option<u64>,
    /// Where the part in memory begins.
    offset: u64,
    /// What of the part in memory has been looked at.
    at: usize,
}

impl Division {
    /// Reads `source` to its end, `chunk` bytes at once or more, and has of it no more in memory than its longest word.
    fn of(mut source: impl Read, chunk: usize) -> io::Result<Self> {
        let mut division = Self::default();
        let mut text = Vec::new();
        loop {
            // As much as is there already: a long word is not looked through too often.
            let more = source.by_ref().take(chunk.max(text.len()) as u64).read_to_end(&mut text)?;
            let seen = division.go_on(&text, more == 0);
            if more == 0 {
                return Ok(division);
            }
            text.drain(..seen);
        }
    }

    /// Looks at `text` until more of it is needed, unless it is `complete`. Returns how much need not be seen again.
    fn go_on(&mut self, text: &[u8], complete: bool) -> usize {
        while self.at < text.len() {
            let Some(next) = self.step(text, complete) else { break };
            self.at = next;
        }
        if complete {
            self.close(text.len());
            self.pieces.shrink_to_fit();
        }
        // Of a quote it matters what stands before it.
        let seen = self.at.saturating_sub(1);
        self.at -= seen;
        self.offset += seen as u64;
        seen
    }

    /// Where to look next; `None` when that depends on more of the text.
    fn step(&mut self, text: &[u8], complete: bool) -> Option<usize> {
        let at = self.at;
        let rest = &text[at..];
        if !complete && rest.len() < LOOK_AHEAD {
            return None;
        }
        if at == 0 || text[at - 1] == b'\n' {
            if !complete && !rest.contains(&b'\n') {
                return None;
            }
            if rest.starts_with(b"-- TOC entry ") {
                let header = read_header(rest);
                // Two bytes tell whether the next line is part of it.
                if !complete && header.as_ref().is_some_and(|(_, _, length)| rest.len() < length + 2) {
                    return None;
                }
                self.close(at);
                if let Some((dump_id, needs, length)) = header {
                    let settings = self.settings();
                    let offset = self.offset + (at + length) as u64;
                    self.pieces.push(Piece { dump_id, needs, offset, length: 0, settings });
                    return Some(at + length);
                }
            }
            // Commands of psql around the whole.
            if rest[0] == b'\\' {
                self.end.get_or_insert(self.offset + at as u64);
            }
            if let Some((name, length)) = session_setting(rest) {
                // It is for the entries that follow here, which are not always those that are created next.
                self.end.get_or_insert(self.offset + at as u64);
                let statement = String::from_utf8_lossy(&rest[..length]).into_owned();
                self.in_force.retain(|(known, _)| *known != name);
                self.in_force.push((name, statement));
                return Some(at + length);
            }
        }
        let next = end_of_quoted(text, at).unwrap_or(at + 1);
        (complete || next < text.len()).then_some(next)
    }

    /// The settings in force, as their place among all.
    fn settings(&mut self) -> usize {
        let settings: String = self.in_force.iter().map(|(_, statement)| statement.as_str()).collect();
        self.all_settings.iter().position(|known| *known == settings).unwrap_or_else(|| {
            self.all_settings.push(settings);
            self.all_settings.len() - 1
        })
    }

    /// The last piece ends before `at` of the part in memory, or where a command of psql or a setting stands.
    fn close(&mut self, at: usize) {
        let end = self.end.take().unwrap_or(self.offset + at as u64);
        if let Some(last) = self.pieces.last_mut() {
            last.length = usize::try_from(end.saturating_sub(last.offset)).unwrap_or(usize::MAX);
        }
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
        let definition = file.definition(table).unwrap().unwrap();
        assert!(definition.trim_start().starts_with("CREATE TABLE"), "{definition}");
        let together = file.text([table, comment]).unwrap().unwrap();
        assert_eq!(together.matches(set).count(), 1, "{together}");
        assert!(!file.text([function]).unwrap().unwrap().contains(set), "that is the table's");
    }

    #[test]
    fn it_does_not_matter_how_much_is_read_at_once() {
        let long =
            SCRIPT.replace("select 2", &format!("select $tag$ {} $tag$ /* ' /* */", "-- TOC entry 7 (\n'".repeat(50)));
        let text = [SCRIPT, &long, &SCRIPT.replace("-- Completed", "$ / -- Completed")].concat();
        let whole = Division::of(text.as_bytes(), CHUNK).unwrap().pieces;
        assert_eq!(whole.len(), 9);
        for chunk in [1, 2, 3, 255, 256, 257, 600, 5000] {
            let division = Division::of(text.as_bytes(), chunk).unwrap();
            assert_eq!(division.pieces, whole, "{chunk}");
            assert_eq!(division.all_settings.len(), 2, "{chunk}");
        }
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
