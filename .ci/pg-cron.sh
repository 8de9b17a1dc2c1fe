# Starts a throwaway Debian Postgres 15 with pg_cron and tells the tests where it is. Sourced by `.ci/run`.

pg_cron_bin=/usr/lib/postgresql/15/bin

start_pg_cron() {
  if [ ! -x "$pg_cron_bin/postgres" ] || [ ! -e /usr/lib/postgresql/15/lib/pg_cron.so ]; then
    echo "no Debian Postgres with pg_cron here: its test will be skipped"
    return
  fi
  pg_cron_dir=$(mktemp -d)
  pg_cron_port=$(node -e "const s=require('net').createServer().listen(0,'127.0.0.1',()=>{console.log(s.address().port);s.close()})")
  run_as=""
  if [ "$(id -u)" = 0 ]; then
    chown postgres "$pg_cron_dir"
    run_as="setpriv --reuid=postgres --regid=postgres --clear-groups"
  fi
  $run_as "$pg_cron_bin/initdb" -D "$pg_cron_dir/data" -U postgres -A trust >/dev/null
  $run_as "$pg_cron_bin/pg_ctl" -D "$pg_cron_dir/data" -w -s -l "$pg_cron_dir/log" -o "-c port=$pg_cron_port \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories=$pg_cron_dir -c shared_preload_libraries=pg_cron \
    -c cron.database_name=postgres -c cron.host=127.0.0.1" start
  export HEARTH_TEST_PG_CRON_URL="postgres://postgres@127.0.0.1:$pg_cron_port/postgres"
}

stop_pg_cron() {
  [ -n "${pg_cron_dir:-}" ] || return 0
  $run_as "$pg_cron_bin/pg_ctl" -D "$pg_cron_dir/data" -m immediate -s stop || true
  rm -rf "$pg_cron_dir"
}
