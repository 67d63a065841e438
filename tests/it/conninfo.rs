//! A connection string means to us what it means to libpq, and what we write means the same again: `psql` connects to
//! listeners of ours, which note who calls.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::{env, fs, thread};

use pg_migrate::conninfo::{Address, ConnInfo, Environment, Files, Secret};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What a client sends first to ask for TLS: 80877103.
const SSL_REQUEST: [u8; 4] = [4, 210, 22, 47];

/// What one attempt to connect tells a server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    /// `tcp` or `socket`, and the port.
    place: (&'static str, u16),
    user: String,
    dbname: String,
    options: Option<String>,
    application_name: String,
    password: Option<String>,
}

/// Two ports, each served by TCP on 127.0.0.1 and by a socket in `directory`.
struct Listeners {
    directory: tempfile::TempDir,
    ports: [u16; 2],
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Listeners {
    fn start() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let calls = Arc::default();
        let listener = || -> io::Result<u16> {
            let tcp = TcpListener::bind("127.0.0.1:0")?;
            let port = tcp.local_addr()?.port();
            let socket = UnixListener::bind(directory.path().join(format!(".s.PGSQL.{port}")))?;
            let for_tcp = Arc::clone(&calls);
            thread::spawn(move || tcp.incoming().flatten().for_each(|stream| answer(stream, ("tcp", port), &for_tcp)));
            let for_socket = Arc::clone(&calls);
            thread::spawn(move || {
                socket.incoming().flatten().for_each(|stream| answer(stream, ("socket", port), &for_socket));
            });
            Ok(port)
        };
        let ports = [listener()?, listener()?];
        Ok(Self { directory, ports, calls })
    }

    /// The calls that `psql` makes for `text`, none if libpq refuses it; and what it says.
    fn calls_of_psql(&self, psql: &Path, text: &str, variables: &BTreeMap<String, String>) -> (Vec<Call>, String) {
        self.calls.lock().unwrap().clear();
        let output = Command::new(psql)
            .args(["-X", "-w", "-d", text])
            .env_clear()
            .envs(variables)
            .env("HOME", self.directory.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let calls = self.calls.lock().unwrap().clone();
        (calls, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let common = [("PGSSLMODE", "disable"), ("PGGSSENCMODE", "disable")];
        Environment {
            variables: common
                .iter()
                .chain(variables)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            user: Some(String::from_utf8(user).unwrap().trim().to_owned()),
            home: Some(self.directory.path().to_owned()),
        }
    }
}

/// Plays a server that asks for a password and is then not ready, so that libpq goes on to the next host.
fn answer(mut stream: impl Read + Write, place: (&'static str, u16), calls: &Mutex<Vec<Call>>) {
    let mut talk = || -> io::Result<()> {
        let mut start = read_body(&mut stream)?;
        if start == SSL_REQUEST {
            stream.write_all(b"N")?;
            start = read_body(&mut stream)?;
        }
        let texts: Vec<_> = start[4..].split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text)).collect();
        let mut parameters: BTreeMap<_, _> =
            texts.chunks_exact(2).map(|pair| (pair[0].to_string(), pair[1].to_string())).collect();
        let mut take = |name| parameters.remove(name);
        calls.lock().unwrap().push(Call {
            place,
            user: take("user").unwrap_or_default(),
            dbname: take("database").unwrap_or_default(),
            options: take("options"),
            application_name: take("application_name").unwrap_or_default(),
            password: None,
        });
        stream.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
        stream.read_exact(&mut [0])?;
        let password = read_body(&mut stream)?;
        let password = String::from_utf8_lossy(&password).trim_end_matches('\0').to_owned();
        calls.lock().unwrap().last_mut().unwrap().password = Some(password);
        let fields = b"SFATAL\0VFATAL\0C57P03\0Mnot now\0\0";
        stream.write_all(b"E")?;
        stream.write_all(&u32::try_from(fields.len() + 4).unwrap().to_be_bytes())?;
        stream.write_all(fields)
    };
    // A client that hangs up, as psql does when it has no password, is part of the play.
    let _ = talk();
}

/// The rest of a message, behind its length.
fn read_body(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// The calls that psql should make if `conninfo` is right: host by host, up to the first without a password.
fn expected_calls(conninfo: &ConnInfo) -> Vec<Call> {
    let mut calls = Vec::new();
    for host in conninfo.hosts() {
        let kind = if matches!(host.address, Address::Unix(_)) { "socket" } else { "tcp" };
        calls.push(Call {
            place: (kind, host.port),
            user: conninfo.user().to_owned(),
            dbname: conninfo.dbname().to_owned(),
            options: conninfo.options().map(str::to_owned),
            // psql overrides fallback_application_name.
            application_name: conninfo.get("application_name").unwrap_or("psql").to_owned(),
            password: host.password.as_ref().map(|password| password.expose().to_owned()),
        });
        if host.password.is_none() {
            break;
        }
    }
    calls
}

struct Disk;

impl Files for Disk {
    fn passfile(&self, path: &Path) -> Option<Secret> {
        fs::read_to_string(path).ok().map(Secret::new)
    }

    fn service_file(&self, path: &Path) -> Option<Secret> {
        self.passfile(path)
    }
}

/// The newest `psql` of the machine: directly where there is one, because Debian's `/usr/bin/psql` is a wrapper.
fn find_psql() -> Option<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
    versions.sort_by_key(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    let on_path = env::var_os("PATH").unwrap_or_default();
    let candidates = versions.iter().rev().map(|entry| entry.path().join("bin")).chain(env::split_paths(&on_path));
    let found = candidates.map(|directory| directory.join("psql")).find(|psql| psql.is_file());
    assert!(found.is_some() || env::var_os("PG_MIGRATE_REQUIRE").is_none(), "psql is required and missing");
    if found.is_none() {
        report_skip();
    }
    found
}

#[expect(clippy::print_stderr, reason = "a test that does not run must not look like one that passed")]
fn report_skip() {
    eprintln!("SKIP: no psql on this machine to compare with");
}

/// psql calls whom we would call, and so it does with what we hand to child processes and to the target server.
#[track_caller]
fn assert_agreement(listeners: &Listeners, psql: &Path, text: &str, environment: &Environment) {
    let variables = &environment.variables;
    let (actual, stderr) = listeners.calls_of_psql(psql, text, variables);
    let conninfo = match ConnInfo::parse_with(text, environment, &Disk) {
        Ok(conninfo) => conninfo,
        Err(error) => {
            assert_eq!(Vec::<Call>::new(), actual, "{text:?} {variables:?}: we say {error}, psql says {stderr}");
            return;
        }
    };
    let mut expected = expected_calls(&conninfo);
    assert_eq!(expected, actual, "{text:?} {variables:?}: psql says {stderr}");

    let mut child_variables = variables.clone();
    for (name, value) in conninfo.child_environment() {
        match value {
            Some(value) => child_variables.insert(name.to_owned(), value),
            None => child_variables.remove(name),
        };
    }
    let passfile = tempfile::NamedTempFile::new().unwrap();
    fs::write(&passfile, conninfo.child_passfile().as_ref().map_or("", Secret::expose)).unwrap();
    child_variables.insert("PGPASSFILE".to_owned(), passfile.path().to_str().unwrap().to_owned());
    let (actual, stderr) = listeners.calls_of_psql(psql, &conninfo.child_conninfo(), &child_variables);
    assert_eq!(expected, actual, "{text:?} {variables:?} for a child: psql says {stderr}");

    // A subscription has one password for all hosts, and is named by PostgreSQL.
    if conninfo.hosts().iter().all(|host| host.password == conninfo.hosts()[0].password) {
        let text = conninfo.subscription_conninfo(conninfo.dbname());
        let no_variables = BTreeMap::from([("PGPASSFILE".to_owned(), "/dev/null".to_owned())]);
        let (actual, stderr) = listeners.calls_of_psql(psql, text.expose(), &no_variables);
        expected.iter_mut().for_each(|call| call.application_name = "psql".to_owned());
        assert_eq!(expected, actual, "{text:?} {variables:?} for a subscription: psql says {stderr}");
    }
}

#[test]
fn libpq_agrees_on_awkward_strings() {
    let Some(psql) = find_psql() else { return };
    let listeners = Listeners::start().unwrap();
    let [one, two] = listeners.ports;
    let sockets = listeners.directory.path().to_str().unwrap();
    let encoded = sockets.replace('/', "%2F");
    let texts = [
        format!("postgres://u:p@127.0.0.1:{one}/d"),
        format!("postgres://u:a:b?c#d%40@127.0.0.1:{one}/d%20x/y"),
        format!("postgresql://u:p@{encoded}:{one},127.0.0.1:{two}/"),
        format!("postgresql://u:p@:{one}/d?host={sockets}"),
        format!("postgresql://:p@127.0.0.1,{encoded}?port={two}&user=v&dbname=e&application_name=a%26b"),
        format!("postgres://u:p@nowhere.invalid:{one}/d?hostaddr=127.0.0.1&"),
        format!("postgres://u:p@127.0.0.1:{one},127.0.0.1:{two},{encoded}:{one}?options=-c+a%3Db"),
        format!("postgres://u:p@127.0.0.1:{one}/d?ssl=true&sslmode=disable"),
        format!("postgres://u:p@127.0.0.1:{one}/d?ssl=false"),
        format!("postgres://127.0.0.1:{one}/d?password=p&host"),
        format!("postgres://127.0.0.1:{one}/d?password=p&user=a=b"),
        format!("postgres://127.0.0.1:{one}/d?password=p&&user=a"),
        format!("postgres://127.0.0.1:{one}/d?connect_timeout="),
        format!("postgres://127.0.0.1:{one}/d?connect_timeout=%2010%20"),
        format!("postgres://127.0.0.1:{one}/%zz"),
        format!("postgres://127.0.0.1:{one}/a%00"),
        format!("postgres://[127.0.0.1:{one}/"),
        format!("postgres://[127.0.0.1]:{one}/d"),
        format!("postgres://[127.0.0.1]x:{one}/d"),
        format!("host=127.0.0.1 port={one} user = 'a b\\'c\\\\' dbname=d\\ e password=p"),
        format!("port={one} host={sockets},127.0.0.1 password= user=x"),
        format!("port={one},{two} host={sockets},127.0.0.1 password=''"),
        format!("port={one},{two} host=127.0.0.1"),
        format!("port=,{two} host=127.0.0.1,127.0.0.1,127.0.0.1"),
        format!("host=127.0.0.1 port={one} user=u dbname=postgres://x password=p"),
        format!("host=127.0.0.1 port={one} user='u'dbname='d'password='p'"),
        format!("host=127.0.0.1 port={one} user='u"),
        format!("host=127.0.0.1 port={one} user u"),
        format!("host=127.0.0.1 port={one} User=u"),
        format!("host=127.0.0.1 port={one} user='' dbname='' password=p application_name=''"),
        format!("host=a,b hostaddr=127.0.0.1 port={one}"),
        format!("hostaddr=127.0.0.1,127.0.0.1 host=a, port={one} password=p"),
        format!("host=127.0.0.1 port=' {one} ' password=p"),
        "host=127.0.0.1 port=0".to_owned(),
        "host=127.0.0.1 port=65536".to_owned(),
        "host=127.0.0.1 port=1x".to_owned(),
    ];
    for text in &texts {
        assert_agreement(
            &listeners,
            &psql,
            text,
            &listeners.environment(&[("PGDATABASE", "env"), ("PGOPTIONS", "-c x=y")]),
        );
    }
    for parameter in [
        "connect_timeout=''",
        "connect_timeout=-1",
        "connect_timeout=1s",
        "connect_timeout=99999999999",
        "keepalives=''",
        "keepalives=yes",
        "keepalives=-1",
        "keepalives_idle=''",
        "keepalives_idle=1.5",
        "keepalives_interval=x",
        "keepalives_count='+3'",
        "tcp_user_timeout=x",
        "sslmode=''",
        "sslmode=Require",
        "sslmode=prefer",
        "gssencmode=x",
        "gssencmode=''",
        "channel_binding=''",
        "channel_binding=prefer",
        "target_session_attrs=''",
        "target_session_attrs=standby",
        "target_session_attrs=x",
        "ssl_min_protocol_version=''",
        "ssl_min_protocol_version=tlsv1.3",
        "ssl_min_protocol_version=TLSv1.4",
        "ssl_max_protocol_version=TLSv1.1",
        "ssl_min_protocol_version='' ssl_max_protocol_version=TLSv1.1",
        "requiressl=0",
        "sslsni=''",
        "service=none",
        "client_encoding=auto",
        "fallback_application_name=x",
        "replication=0",
    ] {
        let text = format!("host=127.0.0.1 port={one} password=p {parameter}");
        assert_agreement(&listeners, &psql, &text, &listeners.environment(&[]));
    }
}

#[test]
fn libpq_agrees_on_passfiles_services_and_variables() {
    use std::os::unix::fs::PermissionsExt;

    let Some(psql) = find_psql() else { return };
    let listeners = Listeners::start().unwrap();
    let [one, two] = listeners.ports;
    let home = listeners.directory.path();
    let sockets = home.to_str().unwrap();
    let passfile = format!(
        "# 127.0.0.1:{one}:*:*:no\n127.0.0.1:{one}:d\\:d:u\\\\:with\\:colon\\\\:rest\n*:{two}:*:u:two\n{sockets}:*:*:*:socket\n\
         127.0.0.1:*:*:empty:\n127.0.0.1:*:*:*:last"
    );
    fs::write(home.join(".pgpass"), passfile).unwrap();
    fs::set_permissions(home.join(".pgpass"), fs::Permissions::from_mode(0o600)).unwrap();
    let services = format!(
        "[a]\nhost=127.0.0.1\nport={one}\nuser=u\nuser=v\n#\n [b] \nport={two}\nport =1\n[c]\nx\n[d]\nservice=a\n"
    );
    fs::write(home.join(".pg_service.conf"), services).unwrap();
    let here = format!("host={sockets},127.0.0.1 port={one},{two}");
    for (text, variables) in [
        (format!("host=127.0.0.1 port={one} user=u\\\\ dbname=d:d"), &[][..]),
        (format!("host=127.0.0.1 port={one} user=u dbname=d"), &[]),
        (format!("host=127.0.0.1 port={one} user=empty"), &[]),
        (format!("{here} user=u"), &[]),
        (format!("{here} user=u passfile=/gone"), &[]),
        (format!("{here} user=u"), &[("PGPASSFILE", "/gone")]),
        (format!("{here} password=''"), &[("PGPASSWORD", "env")]),
        (here.clone(), &[("PGPASSWORD", "env"), ("PGAPPNAME", "app"), ("PGUSER", "eu"), ("PGDATABASE", "a=b")]),
        (here.clone(), &[("PGCONNECT_TIMEOUT", "")]),
        (format!("host=127.0.0.1 port={one} password=p"), &[("PGTARGETSESSIONATTRS", "x")]),
        ("service=a dbname=x".to_owned(), &[("PGUSER", "env"), ("PGPORT", "1")]),
        ("user=w".to_owned(), &[("PGSERVICE", "a"), ("PGAPPNAME", "app")]),
        ("service=b host=127.0.0.1".to_owned(), &[]),
        ("service=c host=127.0.0.1".to_owned(), &[]),
        ("service=d host=127.0.0.1".to_owned(), &[]),
        ("service=e host=127.0.0.1".to_owned(), &[]),
        (format!("service='' {here}"), &[]),
        (format!("service=a {here}"), &[("PGSERVICEFILE", "/gone")]),
    ] {
        assert_agreement(&listeners, &psql, &text, &listeners.environment(variables));
    }
}

/// One way to write a parameter's value.
fn quote(value: &str, style: u8) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
    match style {
        0 if !value.is_empty() => escaped.replace(' ', "\\ "),
        _ => format!(" '{escaped}'"),
    }
}

/// One way to write a part of a URI: all encoded, or only what must be.
fn encode(value: &str, style: u8) -> String {
    let plain = |byte: u8| style == 0 && (byte.is_ascii_alphanumeric() || b"-._~!$'()*+; ".contains(&byte));
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") }).collect()
}

#[test]
fn libpq_agrees_on_generated_strings() {
    let Some(psql) = find_psql() else { return };
    let listeners = Listeners::start().unwrap();
    let ports = listeners.ports;
    let sockets = listeners.directory.path().to_str().unwrap().to_owned();
    let word = || "[a-zA-Z0-9äß'\\\\ %=/?&#:@,*-]{1,10}";
    let hosts = prop::collection::vec((any::<bool>(), 0..2_usize), 1..4);
    let strategy = (hosts, word(), word(), word(), prop::option::of(word()), any::<bool>(), 0..2_u8);
    // Raw text in places where it cannot change the host: both refuse it, or both read the same.
    let garbage = prop_oneof![
        "[a-c%2?&=/# ']{0,10}".prop_map(|text| format!("postgres://127.0.0.1:PORT/{text}")),
        "[a-c=\\\\' ]{0,10}".prop_map(|text| format!("host=127.0.0.1 port=PORT password=p user={text}")),
    ];
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&strategy, |(hosts, user, dbname, password, application_name, as_uri, style)| {
            let name = |socket| if socket { sockets.as_str() } else { "127.0.0.1" };
            let text = if as_uri {
                let places: Vec<_> = hosts
                    .iter()
                    .map(|(socket, port)| format!("{}:{}", encode(name(*socket), 1), ports[*port]))
                    .collect();
                let query = application_name.map(|name| format!("?application_name={}", encode(&name, style)));
                format!(
                    "postgresql://{}:{}@{}/{}{}",
                    encode(&user, style),
                    encode(&password, style),
                    places.join(","),
                    encode(&dbname, style),
                    query.unwrap_or_default()
                )
            } else {
                let names: Vec<_> = hosts.iter().map(|(socket, _)| name(*socket)).collect();
                let numbers: Vec<_> = hosts.iter().map(|(_, port)| ports[*port].to_string()).collect();
                let application_name = application_name.map(|name| format!("application_name={}", quote(&name, style)));
                format!(
                    "host={} port={} user={} dbname={} password={} {}",
                    names.join(","),
                    numbers.join(","),
                    quote(&user, style),
                    quote(&dbname, style),
                    quote(&password, style),
                    application_name.unwrap_or_default()
                )
            };
            assert_agreement(&listeners, &psql, &text, &listeners.environment(&[("PGAPPNAME", "env")]));
            Ok(())
        })
        .unwrap();
    runner
        .run(&garbage, |text| {
            let text = text.replace("PORT", &ports[0].to_string());
            assert_agreement(
                &listeners,
                &psql,
                &text,
                &listeners.environment(&[("PGUSER", "env"), ("PGPASSWORD", "p")]),
            );
            Ok(())
        })
        .unwrap();
}
