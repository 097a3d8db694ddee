#!/usr/bin/env bash
# The Java client from openapi.yaml, into generated/. Needs Node and a JDK; the generator is a jar inside its npm package.
set -euo pipefail
cd "$(dirname "$0")"
generator=$PWD/node_modules/@openapitools/openapi-generator-cli/bin/openapi-generator.jar
rm -rf generated
mkdir -p generated/templates

# The generator reads OpenAPI 3.0.
npx openapi-down-convert --input ../../openapi.yaml --output generated/openapi-3.0.yaml

# Its template has a variable `path`, which meets the parameter of that name (getMedia). Versions that fetch themselves from
# Maven call it localVarPath.
(cd generated/templates && jar xf "$generator" Java/libraries/resttemplate/api.mustache && mv Java/libraries . && rmdir Java)
sed -i 's/String path = /String localVarPath = /; s/invokeAPI(path,/invokeAPI(localVarPath,/' \
  generated/templates/libraries/resttemplate/api.mustache

java -jar "$generator" generate --generator-name java --library resttemplate \
  --input-spec generated/openapi-3.0.yaml --output generated/client --template-dir generated/templates \
  --api-package wati.bff.api --model-package wati.bff.model --invoker-package wati.bff \
  --additional-properties dateLibrary=java8,openApiNullable=false,hideGenerationTimestamp=true >generated/log 2>&1 ||
  { cat generated/log; exit 1; }
