PRAGMA application_id = 1835429224;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE attempts (id INTEGER PRIMARY KEY,
    ended_at REAL, category TEXT, outcome TEXT, workflow TEXT, signature TEXT, context TEXT, input_mb REAL, requested_cores REAL, requested_memory_mb REAL, requested_disk_mb REAL, allocated_cores REAL, allocated_memory_mb REAL, allocated_disk_mb REAL, measured_cores REAL, measured_memory_mb REAL, measured_disk_mb REAL, wall_s REAL, cpu_s REAL, exit_code INTEGER, host TEXT);
INSERT INTO "attempts" VALUES(1,1.79584483307829594609e+09,'simulate','finished','sweep','90415f8c52d1.80fee02fca4d','simulate',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,1.062,4.688,0.02,0.561,0.18,0,'localhost');
INSERT INTO "attempts" VALUES(2,1.79584483309264802929e+09,'simulate','finished','sweep','90415f8c52d1.8f85d4e9c153','',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,1.179,4.684,0.02,0.575,0.172,0,'localhost');
INSERT INTO "attempts" VALUES(3,1.79584483326658606527e+09,'simulate','finished','sweep','90415f8c52d1.5f3fe345964f','simulate',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,0.382,5.375,0.02,0.162,0.062,0,'localhost');
INSERT INTO "attempts" VALUES(4,1.79584483328114318844e+09,'simulate','finished','sweep','90415f8c52d1.dfc878f66b65','simulate',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,0.483,5.359,0.02,0.189,0.091,0,'localhost');
INSERT INTO "attempts" VALUES(5,1.79584483370744824406e+09,'simulate','finished','sweep','90415f8c52d1.b57b5afa896d','simulate',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,NULL,4.688,0.02,0.423,0.144,0,'localhost');
INSERT INTO "attempts" VALUES(6,1.79584483388464665408e+09,'simulate','finished','sweep','90415f8c52d1.212ddfd725a2','simulate',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,NULL,4.676,0.02,0.597,0.168,0,'localhost');
INSERT INTO "attempts" VALUES(7,1.79584483404333758354e+09,'simulate','finished','sweep','90415f8c52d1.7afe8a3da918','simulate',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,NULL,4.688,0.02,0.327,0.148,0,'localhost');
INSERT INTO "attempts" VALUES(8,1.79584483418603682515e+09,'simulate','finished','sweep','90415f8c52d1.59b6d79b3394','simulate',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,NULL,4.684,0.02,0.294,0.078,0,'localhost');
INSERT INTO "attempts" VALUES(9,1795844834.39652,'simulate','finished','sweep','90415f8c52d1.acdeb1b7c566','simulate',1.14536285400390625e-03,1.0,200.0,100.0,1.0,200.0,100.0,1.065,4.68,0.02,0.336,0.127,0,'localhost');
CREATE INDEX by_time ON attempts (ended_at);
CREATE INDEX by_category ON attempts (category, ended_at);
COMMIT;
