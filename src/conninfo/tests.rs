use std::collections::BTreeMap;
use std::error::Error;

use proptest::prelude::*;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        user: Some("os".to_owned()),
        home: Some("/home/os".into()),
    }
}

fn read(text: &str) -> ConnInfo {
    read_in(text, &[])
}

#[track_caller]
fn read_in(text: &str, variables: &[(&str, &str)]) -> ConnInfo {
    ConnInfo::parse(text, &environment(variables)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn assert_refused(text: &str, variables: &[(&str, &str)], message: &str) {
    let error = ConnInfo::parse(text, &environment(variables)).expect_err(text).to_string();
    assert!(error.contains(message), "{text}: {error}");
}

fn places(conninfo: &ConnInfo) -> Vec<String> {
    conninfo.hosts().iter().map(Host::to_string).collect()
}

fn passwords(conninfo: &ConnInfo) -> Vec<Option<&str>> {
    conninfo.hosts().iter().map(|host| host.password.as_ref().map(Secret::expose)).collect()
}

/// Files by path.
struct Disk(BTreeMap<&'static str, &'static str>);

impl Files for Disk {
    fn passfile(&self, path: &Path) -> Option<Secret> {
        self.0.get(path.to_str()?).map(|text| Secret::new(*text))
    }

    fn service_file(&self, path: &Path) -> Option<Secret> {
        self.passfile(path)
    }
}

mod defaults {
    use super::*;

    #[test]
    fn an_empty_string_means_the_local_server_and_ones_own_database() {
        let conninfo = read("");
        assert_eq!((conninfo.user(), conninfo.dbname()), ("os", "os"));
        assert_eq!(places(&conninfo), ["/var/run/postgresql/.s.PGSQL.5432"]);
        assert_eq!(passwords(&conninfo), [None]);
        assert_eq!(conninfo.sslmode(), SslMode::Prefer);
        assert_eq!(conninfo.ssl_min_protocol_version(), Some(TlsVersion::Tls12));
        assert_eq!(conninfo.connect_timeout(), Some(Duration::from_secs(30)));
        assert_eq!(conninfo.application_name(), None);
        assert_eq!(conninfo.ssl_root_cert(), Some(RootCert::File("/home/os/.postgresql/root.crt".into())));
        assert_eq!(conninfo.ssl_key(), Some("/home/os/.postgresql/postgresql.key".into()));
        assert!(conninfo.ssl_sni() && conninfo.keepalives().enabled);
    }

    #[test]
    fn the_database_defaults_to_the_role() {
        assert_eq!(read("user=joe").dbname(), "joe");
        assert_eq!(read_in("user=joe", &[("PGDATABASE", "shop")]).dbname(), "shop");
        assert_eq!(read_in("postgres://joe@/", &[("PGDATABASE", "shop")]).dbname(), "shop");
        assert_eq!(read_in("user=joe dbname=''", &[("PGDATABASE", "shop")]).dbname(), "joe");
    }

    #[test]
    fn without_any_user_name_there_is_no_connection() {
        let error = ConnInfo::parse("host=h", &Environment::default()).unwrap_err();
        assert_eq!(error.to_string(), "no user name; add user=… or set PGUSER");
    }

    #[test]
    fn variables_fill_in_what_the_string_leaves_out() {
        let variables =
            [("PGHOST", "env"), ("PGPORT", "1"), ("PGUSER", "joe"), ("PGPASSWORD", "pw"), ("PGAPPNAME", "app")];
        let conninfo = read_in("host=written", &variables);
        assert_eq!(places(&conninfo), ["written:1"]);
        assert_eq!(passwords(&conninfo), [Some("pw")]);
        assert_eq!((conninfo.user(), conninfo.application_name()), ("joe", Some("app")));
    }

    #[test]
    fn pgrequiressl_yields_to_pgsslmode() {
        assert_eq!(read_in("", &[("PGREQUIRESSL", "1")]).sslmode(), SslMode::Require);
        assert_eq!(read_in("", &[("PGREQUIRESSL", "1"), ("PGSSLMODE", "allow")]).sslmode(), SslMode::Allow);
    }
}

mod hosts {
    use super::*;

    #[test]
    fn one_port_serves_all_hosts_and_missing_ones_default() {
        assert_eq!(places(&read("host=a,b port=1")), ["a:1", "b:1"]);
        assert_eq!(places(&read("host=a,/s,::1 port=1,,3")), ["a:1", "/s/.s.PGSQL.5432", "[::1]:3"]);
        assert_eq!(places(&read("postgres://a,b:1")), ["a:5432", "b:1"]);
        assert_eq!(places(&read("host=,b")), ["/var/run/postgresql/.s.PGSQL.5432", "b:5432"]);
    }

    #[test]
    fn an_address_wins_over_the_name_it_belongs_to() {
        let conninfo = read("host=db.example.com,other hostaddr=10.0.0.1,");
        let tcp = |name: &str, addr: Option<&str>| Address::Tcp {
            name: name.to_owned(),
            addr: addr.map(|addr| addr.parse().unwrap()),
        };
        assert_eq!(conninfo.hosts()[0].address, tcp("db.example.com", Some("10.0.0.1")));
        assert_eq!(conninfo.hosts()[1].address, tcp("other", None));
        assert_eq!(read("hostaddr=::1").hosts()[0].address, tcp("::1", Some("::1")));
    }

    #[test]
    fn lists_must_match() {
        assert_refused("host=a,b hostaddr=10.0.0.1", &[], "hostaddr is given 1 times, but host is given 2 times");
        assert_refused("host=a,b,c port=1,2", &[], "host is given 3 times, but port is given 2 times");
        assert_refused("host=a port=1,2", &[], "host is given 1 times, but port is given 2 times");
    }

    #[test]
    fn one_host_can_be_singled_out() {
        let conninfo = read("host=a,/s port=1,2 user=u");
        let second = conninfo.with_only_host(&conninfo.hosts()[1]);
        assert!(second.child_conninfo().starts_with("host=/s port=2 user=u dbname=u "));
    }
}

mod checks {
    use super::*;

    #[test]
    fn bad_values_are_named_with_what_would_be_right() {
        for (text, message) in [
            ("port=0", "invalid value \"0\" for port; expected numbers from 1 to 65535"),
            ("port=65536", "invalid value \"65536\" for port"),
            ("postgres://h:x/d", "invalid value for port"),
            ("connect_timeout=abc", "invalid value \"abc\" for connect_timeout; expected a whole number"),
            ("connect_timeout=''", "invalid value \"\" for connect_timeout"),
            ("keepalives=''", "invalid value \"\" for keepalives"),
            ("keepalives=on", "invalid value \"on\" for keepalives; expected 0 or 1"),
            ("keepalives_idle=1s", "keepalives_idle"),
            ("tcp_user_timeout=99999999999", "tcp_user_timeout"),
            ("hostaddr=localhost", "expected IPv4 or IPv6 addresses"),
            ("sslmode=foo", "expected one of disable, allow, prefer, require, verify-ca, verify-full"),
            ("sslmode=''", "invalid value \"\" for sslmode"),
            ("sslmode=Require", "invalid value \"Require\" for sslmode"),
            ("target_session_attrs=master", "prefer-standby"),
            ("load_balance_hosts=yes", "expected one of disable, random"),
            ("channel_binding=yes", "expected one of disable, prefer, require"),
            ("gssencmode=yes", "gssencmode"),
            ("sslcertmode=yes", "sslcertmode"),
            ("sslnegotiation=yes", "expected one of postgres, direct"),
            ("ssl_min_protocol_version=SSLv3", "TLSv1.3"),
            ("max_protocol_version=4", "latest"),
            ("require_auth=scram", "scram-sha-256"),
            ("require_auth=md5,!password", "all or none"),
            ("require_auth=md5,md5", "at most once"),
        ] {
            assert_refused(text, &[], message);
        }
    }

    #[test]
    fn a_bad_variable_is_called_by_its_own_name() {
        assert_refused("", &[("PGCONNECT_TIMEOUT", "soon")], "invalid value \"soon\" for PGCONNECT_TIMEOUT");
    }

    #[test]
    fn a_bad_value_behind_a_password_is_not_repeated() {
        assert_refused("password=my sslmode=phrase", &[], "invalid value for sslmode");
    }

    #[test]
    fn numbers_are_read_as_libpq_reads_them() {
        let timeout = |text: &str| read(text).connect_timeout().map(|timeout| timeout.as_secs());
        assert_eq!(timeout("connect_timeout=1"), Some(1));
        assert_eq!(timeout("connect_timeout=' +7 '"), Some(7));
        assert_eq!(timeout("connect_timeout=0"), None);
        assert_eq!(timeout("connect_timeout=-1"), None);
        let keepalives =
            read("keepalives=0 keepalives_idle=20 keepalives_interval=0 tcp_user_timeout=1500").keepalives();
        let expected = Keepalives {
            enabled: false,
            idle: Duration::from_secs(20),
            interval: Duration::from_secs(10),
            count: 6,
            user_timeout: Some(Duration::from_millis(1500)),
        };
        assert_eq!(keepalives, expected);
    }

    #[test]
    fn root_certificates_raise_the_sslmode() {
        assert_eq!(read("sslmode=require sslrootcert=/ca.pem").sslmode(), SslMode::VerifyCa);
        assert_eq!(read("sslmode=require").sslmode(), SslMode::Require);
        let system = read("sslrootcert=system");
        assert_eq!((system.sslmode(), system.ssl_root_cert()), (SslMode::VerifyFull, Some(RootCert::System)));
        assert_refused("sslrootcert=system sslmode=require", &[], "use verify-full");
        assert_refused("sslnegotiation=direct", &[], "sslmode=prefer is too weak for sslnegotiation=direct");
        assert_eq!(read("sslnegotiation=direct sslmode=require").sslnegotiation(), SslNegotiation::Direct);
    }

    #[test]
    fn the_range_of_tls_versions_must_not_be_empty() {
        let conninfo = read("ssl_min_protocol_version=tlsv1 ssl_max_protocol_version=TLSv1.3");
        assert_eq!(conninfo.ssl_min_protocol_version(), Some(TlsVersion::Tls10));
        assert_eq!(conninfo.ssl_max_protocol_version(), Some(TlsVersion::Tls13));
        assert_refused("ssl_max_protocol_version=TLSv1.1", &[], "above");
        assert_eq!(
            read("ssl_min_protocol_version='' ssl_max_protocol_version=TLSv1.1").ssl_min_protocol_version(),
            None
        );
    }
}

mod files {
    use super::*;

    const SERVICES: &str =
        "# ours\n[one]\nhost=h1\nport=1\n\n [two]  \n  host=h2\n user=first\nuser=second\n[two]\nport=9\n";

    fn with_files(
        text: &str,
        variables: &[(&str, &str)],
        files: &[(&'static str, &'static str)],
    ) -> Result<ConnInfo, ParseError> {
        ConnInfo::parse_with(text, &environment(variables), &Disk(files.iter().copied().collect()))
    }

    #[test]
    fn a_service_comes_after_the_string_and_before_variables() {
        let files = [("/home/os/.pg_service.conf", SERVICES)];
        let conninfo = with_files("service=one port=7", &[("PGHOST", "env"), ("PGUSER", "env")], &files).unwrap();
        assert_eq!((places(&conninfo), conninfo.user()), (vec!["h1:7".to_owned()], "env"));
        let conninfo = with_files("", &[("PGSERVICE", "two")], &files).unwrap();
        assert_eq!((places(&conninfo), conninfo.user()), (vec!["h2:5432".to_owned()], "first"));
    }

    #[test]
    fn the_system_file_is_the_second_choice() {
        let files = [("/home/os/.pg_service.conf", SERVICES), ("/etc/site/pg_service.conf", "[three]\nhost=h3")];
        let conninfo = with_files("service=three", &[("PGSYSCONFDIR", "/etc/site")], &files).unwrap();
        assert_eq!(places(&conninfo), ["h3:5432"]);
    }

    #[test]
    fn a_service_that_cannot_be_found_is_an_error() {
        let error = |variables, files: &[_]| with_files("service=on", variables, files).unwrap_err().to_string();
        assert_eq!(
            error(&[], &[("/home/os/.pg_service.conf", SERVICES)]),
            "no definition of service \"on\" in /home/os/.pg_service.conf or /etc/postgresql-common/pg_service.conf"
        );
        assert_eq!(
            error(&[("PGSERVICEFILE", "/gone")], &[]),
            "service file \"/gone\", named by PGSERVICEFILE, cannot be read"
        );
    }

    #[test]
    fn a_broken_line_of_a_service_is_named_by_number_only() {
        for (text, problem) in [
            ("[s]\nhidden", "expected key=value"),
            ("[s]\n# x\nhost = hidden", "line 3: unknown parameter"),
            ("[s]\nservice=hidden", "a service cannot refer to another service"),
            ("[s]\nldap://hidden", "LDAP"),
        ] {
            let error = with_files("service=s", &[("PGSERVICEFILE", "/f")], &[("/f", text)]).unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn a_passfile_gives_each_host_its_password() {
        let passfile = "a:1:d:u:one\nlocalhost:2:*:u:two\n/s:2:*:u:three\n::1:*:*:u:no\n\\:\\:1:*:*:u:four\n";
        let text = "host=a,/var/run/postgresql,/s,::1,b port=1,2,2,2,2 user=u dbname=d";
        let conninfo = with_files(text, &[], &[("/home/os/.pgpass", passfile)]).unwrap();
        assert_eq!(passwords(&conninfo), [Some("one"), Some("two"), Some("three"), Some("four"), None]);
    }

    #[test]
    fn a_passfile_is_found_by_key_variable_or_home_and_yields_to_a_password() {
        let files = [("/a", "*:*:*:*:a"), ("/b", "*:*:*:*:b"), ("/home/os/.pgpass", "*:*:*:*:c")];
        for (text, variables, expected) in [
            ("passfile=/a", &[("PGPASSFILE", "/b")][..], Some("a")),
            ("", &[("PGPASSFILE", "/b")], Some("b")),
            ("password=''", &[], Some("c")),
            ("password=p", &[], Some("p")),
            ("passfile=/gone", &[], None),
        ] {
            let conninfo = with_files(text, variables, &files).unwrap();
            assert_eq!(passwords(&conninfo), [expected], "{text}");
        }
    }
}

mod rendering {
    use super::*;

    #[test]
    fn people_see_where_it_leads_to() {
        assert_eq!(read("postgres://u:p@h:1,[::1]/d?sslmode=require").to_string(), "postgresql://u@h:1,[::1]:5432/d");
        assert_eq!(read("user='a b' dbname=c/d host=/s").to_string(), "postgresql://a%20b@/c%2Fd?host=/s&port=5432");
        assert_eq!(format!("{:?}", read("host=h password=p")), "ConnInfo(postgresql://os@h:5432/os)");
    }

    #[test]
    fn an_argument_of_a_child_carries_what_was_written_and_its_environment_what_came_from_variables() {
        let text = "host=h hostaddr=10.0.0.1 password=hidden sslpassword=hidden keepalives_idle=9 \
                    client_encoding=LATIN1 replication=database options='-c a=\\'b c\\'' passfile=/p";
        let variables = [("PGSSLMODE", "require"), ("PGPASSWORD", "hidden"), ("PGCLIENTENCODING", "LATIN1")];
        let conninfo = read_in(text, &variables).with_dbname("postgres://x = y").with_application_name("me");
        assert_eq!(
            conninfo.child_conninfo(),
            "host=h hostaddr=10.0.0.1 port=5432 user=os dbname='postgres://x = y' application_name=me keepalives_idle=9 \
             keepalives_interval=10 keepalives_count=6"
        );
        let set: Vec<_> = conninfo.child_environment().into_iter().filter(|(_, value)| value.is_some()).collect();
        let expected = [("PGOPTIONS", "-c a='b c'"), ("PGSSLMODE", "require")];
        assert_eq!(set, expected.map(|(name, value)| (name, Some(value.to_owned()))));
        for unset in ["PGPASSWORD", "PGSERVICE", "PGSERVICEFILE", "PGHOST", "PGCLIENTENCODING", "PGREQUIRESSL"] {
            assert!(conninfo.child_environment().contains(&(unset, None)), "{unset}");
        }
    }

    #[test]
    fn a_child_gets_its_passwords_in_files() {
        let conninfo = read(r"host=a,/var/run/postgresql port=1 user=u:v password=x\\:y sslpassword=z");
        assert_eq!(
            conninfo.child_passfile().unwrap().expose(),
            "a:1:*:u\\:v:x\\\\\\:y\nlocalhost:1:*:u\\:v:x\\\\\\:y\n/var/run/postgresql:1:*:u\\:v:x\\\\\\:y\n"
        );
        assert_eq!(conninfo.child_service_file().unwrap().expose(), "[pg_migrate]\nsslpassword=z\n");
        assert_eq!(read("host=h").child_passfile(), None);
        assert_eq!(read("host=h password=p").child_service_file(), None);
    }

    #[test]
    fn a_subscription_gets_the_password_and_nothing_of_this_machine() {
        let text = "host=h user=u password='it\\'s' sslmode=verify-full sslrootcert=/ca sslcert=/c sslkey=/k \
                    sslpassword=s passfile=/p application_name=x client_encoding=UTF8 keepalives_idle=5";
        assert_eq!(
            read(text).subscription_conninfo("my db").expose(),
            "host=h port=5432 user=u dbname='my db' password='it\\'s' keepalives_idle=5 keepalives_interval=10 \
             keepalives_count=6 sslmode=verify-full"
        );
        let system = read("host=h sslrootcert=system").subscription_conninfo("d");
        assert!(system.expose().ends_with("sslrootcert=system"));
    }

    #[test]
    fn a_command_line_shows_no_password() {
        assert_eq!(without_password("postgres://u:hidden@h/d?sslpassword=hidden"), "host=h user=u dbname=d");
        assert_eq!(without_password("host=h password='hidden"), "<unparseable connection string>");
    }

    #[test]
    fn other_parameters_can_be_asked_for_by_name() {
        let conninfo = read("gssencmode=disable password=hidden host=h");
        assert_eq!(conninfo.get("gssencmode"), Some("disable"));
        for keyword in ["password", "host", "require_auth", "nonsense"] {
            assert_eq!(conninfo.get(keyword), None, "{keyword}");
        }
    }
}

/// Text around a marked password that is likely to confuse a parser.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![r"[@/:?#%&=\[\], '\\]{0,4}", "[a1@/:?#%&=,' ]{0,8}", ".{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn no_password_is_ever_shown(before in fragment(), after in fragment(), template in 0..7_usize) {
        let password = format!("{before}S3CRET{after}");
        let text = match template {
            0 => format!("postgres://user:{password}@host/db"),
            1 => format!("postgresql://user:{password}@host:5433/db?sslmode=require"),
            2 => format!("postgres://host/db?password={password}&port=1"),
            3 => format!("host=h password={password} user=u"),
            4 => format!("password='{password}' host=h sslmode=require"),
            5 => format!("postgre://user:{password}@host/db?sslmode=require"),
            _ => format!("user:{password}@host"),
        };
        let mut shown = vec![without_password(&text)];
        match ConnInfo::parse(&text, &environment(&[])) {
            Ok(conninfo) => {
                shown.extend([conninfo.to_string(), format!("{conninfo:#?}"), format!("{:?}", conninfo.hosts())]);
                shown.push(conninfo.child_conninfo());
                shown.push(format!("{:?}", conninfo.child_environment()));
                shown.push(format!("{:?}", (conninfo.child_passfile(), conninfo.subscription_conninfo("d"))));
            }
            Err(error) => {
                shown.extend([error.to_string(), format!("{error:?}")]);
                prop_assert!(error.source().is_none());
            }
        }
        for shown in shown {
            prop_assert!(!shown.contains("S3CRET"), "{} shows {}", text, shown);
        }
    }
}
