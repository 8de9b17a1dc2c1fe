#!/usr/bin/env bash
# AWS CLI version 2. The answer is followed by what the CLI says about the invocation.
set -euo pipefail

aws lambda invoke \
  --endpoint-url "$AWS_ENDPOINT_URL_LAMBDA" \
  --region "$AWS_REGION" \
  --function-name "$PUBLISH_FUNCTION_NAME" \
  --payload '{"channel":"my-channel", "event":"my-event", "data":"👋"}' \
  --cli-binary-format raw-in-base64-out \
  /dev/stdout
