-- A file as the first version of the store wrote it.
BEGIN TRANSACTION;
CREATE TABLE send_store (owner INTEGER NOT NULL, clock INTEGER NOT NULL, checks INTEGER NOT NULL);
INSERT INTO "send_store" VALUES(1,60,0);
CREATE TABLE send_tallies (status TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "send_tallies" VALUES('accepted',1);
INSERT INTO "send_tallies" VALUES('queued',1);
INSERT INTO "send_tallies" VALUES('sending',1);
INSERT INTO "send_tallies" VALUES('unknown',1);
CREATE TABLE sends (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  caller TEXT NOT NULL,
  kind TEXT NOT NULL,
  recipient TEXT,
  connection_id TEXT NOT NULL,
  template TEXT,
  local_message_id TEXT,
  whatsapp_message_id TEXT,
  idem_route TEXT,
  idem_key TEXT,
  fingerprint TEXT,
  broadcast_id TEXT,
  resend_of TEXT,
  status TEXT NOT NULL,
  owner BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  failure_code TEXT,
  failure_detail TEXT,
  verdict_json TEXT,
  sent_at BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  ended_at BIGINT,
  looks INTEGER NOT NULL DEFAULT 0,
  next_look_at BIGINT,
  call_json TEXT
);
INSERT INTO "sends" VALUES(1,'q','crm','text','14155551234','c1',NULL,NULL,NULL,'POST /v1/messages/text','k','f1',NULL,NULL,'queued',1,0,NULL,NULL,NULL,NULL,1795390342155,1795390342155,NULL,0,NULL,'{"text":"q"}');
INSERT INTO "sends" VALUES(2,'a','crm','text','14155551234','c1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'accepted',1,1,NULL,NULL,'{"outcome":"accepted","body":{"result":true}}',1795390342180,1795390342177,1795390342181,27,0,NULL,NULL);
INSERT INTO "sends" VALUES(3,'s','crm','text','14155551234','c1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'sending',1,1,NULL,NULL,NULL,1795390342207,1795390342187,1795390342207,NULL,0,NULL,'{"text":"s"}');
INSERT INTO "sends" VALUES(4,'u','crm','text','14155551234','c1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'unknown',1,1,NULL,NULL,'{"outcome":"accepted","body":{"result":true}}',1795390342212,1795390342211,1795390342214,59,0,60059,'{"text":"u"}');
CREATE UNIQUE INDEX sends_key ON sends (caller, idem_route, idem_key) WHERE idem_key IS NOT NULL;
CREATE UNIQUE INDEX sends_child ON sends (caller, resend_of) WHERE resend_of IS NOT NULL;
CREATE INDEX sends_twins ON sends (recipient, sent_at);
CREATE INDEX sends_caller ON sends (caller, seq);
CREATE INDEX sends_recipient ON sends (caller, recipient, seq) WHERE recipient IS NOT NULL;
CREATE INDEX sends_broadcast ON sends (broadcast_id, seq) WHERE broadcast_id IS NOT NULL;
CREATE INDEX sends_status ON sends (caller, status, seq) WHERE status <> 'accepted';
CREATE INDEX sends_open ON sends (status, seq) WHERE status IN ('queued', 'sending');
CREATE INDEX sends_look ON sends (next_look_at) WHERE next_look_at IS NOT NULL;
CREATE INDEX sends_ended ON sends (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sends_held ON sends (ended_at)
     WHERE ended_at IS NOT NULL AND (idem_key IS NOT NULL OR call_json IS NOT NULL);
CREATE TRIGGER sends_inserted AFTER INSERT ON sends BEGIN
       INSERT INTO send_tallies VALUES (new.status, 1) ON CONFLICT (status) DO UPDATE SET n = n + 1;
     END;
CREATE TRIGGER sends_moved AFTER UPDATE OF status ON sends WHEN old.status <> new.status BEGIN
       UPDATE send_tallies SET n = n - 1 WHERE status = old.status;
       INSERT INTO send_tallies VALUES (new.status, 1) ON CONFLICT (status) DO UPDATE SET n = n + 1;
     END;
CREATE TRIGGER sends_deleted AFTER DELETE ON sends BEGIN
       UPDATE send_tallies SET n = n - 1 WHERE status = old.status;
     END;
INSERT INTO "sqlite_sequence" VALUES('sends',4);
COMMIT;
PRAGMA user_version = 1;
