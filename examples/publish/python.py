# AWS SDK for Python: pip install boto3
import json
import os
import sys

import boto3

lambda_client = boto3.client(
    'lambda',
    endpoint_url=os.environ['AWS_ENDPOINT_URL_LAMBDA'],
    region_name=os.environ['AWS_REGION'],
)

response = lambda_client.invoke(
    FunctionName=os.environ['PUBLISH_FUNCTION_NAME'],
    Payload=json.dumps({
        'channel': 'my-channel',
        'event': 'my-event',
        'data': '👋'
    })
)

print(response['StatusCode'], response['Payload'].read().decode())
if 'FunctionError' in response:
    sys.exit(1)
