#!/usr/bin/env bash
# Compiles the generated client and the scenario against Debian's libraries; prints the class path to run it with.
set -euo pipefail
cd "$(dirname "$0")"
libraries=(spring3-web spring3-core spring3-beans spring3-context commons-logging jackson-databind jackson-core
  jackson-annotations jsr305 geronimo-annotation-1.3-spec)
classpath=$(printf '/usr/share/java/%s.jar:' "${libraries[@]}")generated/classes
rm -rf generated/classes
find annotations generated/client/src/main -name '*.java' >generated/sources
javac -proc:none -Xlint:none -d generated/classes -cp "$classpath" @generated/sources Scenario.java
echo "$classpath"
